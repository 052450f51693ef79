/* SPDX-License-Identifier: MIT */
/*
 * negotiate.h — what a client would rather have: pure functions over the value
 * of a header.  A value that breaks its grammar is as good as none.
 */
#ifndef LARDER_DAEMON_NEGOTIATE_H
#define LARDER_DAEMON_NEGOTIATE_H

enum negotiate_coding { CODING_IDENTITY, CODING_GZIP, CODING_ZSTD, CODING_COUNT };

/* negotiate_coding_name(coding): as in Content-Encoding. */
const char *negotiate_coding_name(enum negotiate_coding coding);
/*
 * negotiate_coding(accept): what an Accept-Encoding likes best (RFC 9110
 * §12.5.3); ${accept} may be NULL.  Of equals zstd (RFC 9659), then gzip.  A
 * coding is used only when it is named: `*` says nothing of what a client can
 * decode.  Identity when it is liked better than both or nothing else is left,
 * also where it is refused: §12.4.1 lets a server do without a 406.
 */
enum negotiate_coding negotiate_coding(const char *accept);
/*
 * negotiate_digest(want, algorithm): the preference, 0 to 10, that a
 * Want-Repr-Digest or Want-Content-Digest gives ${algorithm} (RFC 9530 §4);
 * -1 when it does not name it or is malformed; ${want} may be NULL.  0 means
 * that it is not acceptable.
 */
int negotiate_digest(const char *want, const char *algorithm);

#endif
