/* SPDX-License-Identifier: MIT */
/*
 * npy.h — tensors as .npy files (NumPy Enhancement Proposal 1 and its versions 2
 * and 3), for `larderctl infer`.  Pure: bytes in, bytes out.
 *
 * Little-endian arrays in C order of bool, integers and floats are understood;
 * bfloat16 is written and read as ml_dtypes does ('<V2').
 */
#ifndef LARDER_DAEMON_NPY_H
#define LARDER_DAEMON_NPY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NPY_RANK_MAX 32
#define NPY_HEADER_MAX 4096 /* bytes that npy_emit may write */

struct npy {
	const char *datatype; /* of the Open Inference Protocol: "FP32"; static */
	unsigned elem_bytes;
	int rank;
	int64_t dims[NPY_RANK_MAX];
	size_t data_offset, data_bytes; /* where the elements are in the file */
};

/*
 * npy_parse(file, size, out, err): 0, or -1 with what is wrong in ${err}.  The
 * elements are all there: data_offset + data_bytes == size.
 */
int npy_parse(const void *file, size_t size, struct npy *out, char err[160]);
/*
 * npy_emit(n, out): the header of a file of version 1.0 with n->datatype, rank and
 * dims; returns its size, a multiple of 64, or 0 when the type has no .npy form.
 */
size_t npy_emit(const struct npy *n, char out[NPY_HEADER_MAX]);

#endif
