/* SPDX-License-Identifier: MIT */
/*
 * trim.c — see trim.h.  Called by main.c.  The loader and the initialisation of a
 * dozen libraries touch a lot that an idle daemon never looks at again; the kernel maps
 * sixteen pages around each.  Must only ever touch segments that are never written:
 * their pages are the file's, so nothing is lost.
 */
#include <config.h>

#include "daemon/trim.h"

#include <link.h>
#include <malloc.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

/* Blocks of so many bytes are mapped; frames and tensors of pages are smaller. */
#define MAPPED_BYTES (2 << 20)
/* So much that is free stays with a heap. */
#define KEPT_BYTES (4 << 20)

static int let_go(struct dl_phdr_info *info, size_t size, void *arg)
{
	uintptr_t page = *(const uintptr_t *)arg;

	(void)size;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *h = &info->dlpi_phdr[i];
		uintptr_t begin = info->dlpi_addr + h->p_vaddr, end = begin + h->p_memsz;

		if (h->p_type != PT_LOAD || (h->p_flags & PF_W) != 0)
			continue;
		/* whole pages: the first and the last may hold the edge of another segment */
		begin = (begin + page - 1) & ~(page - 1);
		end &= ~(page - 1);
		if (begin < end)
			(void)madvise((void *)begin, end - begin, MADV_DONTNEED);
	}
	return 0;
}

void trim_limit_heap(void)
{
	(void)mallopt(M_MMAP_THRESHOLD, MAPPED_BYTES);
	(void)mallopt(M_TRIM_THRESHOLD, KEPT_BYTES);
}

void trim_after_start(void)
{
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);

	(void)dl_iterate_phdr(let_go, &page);
	(void)malloc_trim(0);
}
