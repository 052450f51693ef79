/* SPDX-License-Identifier: MIT */
/*
 * oip_ports.h — a model's inputs and outputs by name, in messages and as JSON.
 * Used by oip.c, oip_answer.c and handle_v2.c.
 */
#ifndef LARDER_DAEMON_OIP_PORTS_H
#define LARDER_DAEMON_OIP_PORTS_H

#include "daemon/oip.h"

/* oip_ports_find(ports, count, name, out): false when there is none of that name. */
bool oip_ports_find(const struct rt_port *const *ports, size_t count, const char *name,
		    size_t *out);
/* oip_ports_text: `"x" (FP32 [?,3])` into ${buf}; returns it. */
const char *oip_ports_text(const struct rt_port *p, char *buf, size_t size);
/* oip_ports_names: `"a", "b" …`, as many as fit ${buf}; returns it. */
const char *oip_ports_names(const struct rt_port *const *ports, size_t count, char *buf,
			    size_t size);
/*
 * oip_ports_json(t, ports): `"inputs":[…],"outputs":[…]` of a model's metadata.  Inputs that
 * have a value in the model (initialisers of old files) are left out: they may be given,
 * but nobody expects them.
 */
void oip_ports_json(struct text *t, const struct oip_ports *ports);
/* oip_ports_shape_json(t, s): `"shape":[…]`; -1 where free. */
void oip_ports_shape_json(struct text *t, const struct rt_shape *s);

#endif
