/* SPDX-License-Identifier: MIT */
/*
 * oip_ports.c — see oip_ports.h.  Names come from models and may be any bytes:
 * they only ever leave through text_json or with a length bound.
 */
#include <config.h>

#include "daemon/oip_ports.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "daemon/text.h"

bool oip_ports_find(const struct rt_port *const *ports, size_t count, const char *name, size_t *out)
{
	for (size_t i = 0; i < count; i++) {
		if (strcmp(ports[i]->name, name) == 0) {
			*out = i;
			return true;
		}
	}
	return false;
}

const char *oip_ports_text(const struct rt_port *p, char *buf, size_t size)
{
	char shape[160];

	snprintf(buf, size, "\"%.80s\" (%s %s)", p->name, rt_dtype_oip(p->dtype),
		 p->shape.rank < 0 ? "any shape" : rt_shape_text(&p->shape, shape, sizeof shape));
	return buf;
}

const char *oip_ports_names(const struct rt_port *const *ports, size_t count, char *buf,
			    size_t size)
{
	size_t used = 0;

	buf[0] = '\0';
	for (size_t i = 0; i < count; i++) {
		int n = snprintf(buf + used, size - used, "%s\"%.60s\"", i == 0 ? "" : ", ",
				 ports[i]->name);

		if (n < 0 || (size_t)n >= size - used) {
			snprintf(buf + used, size - used, " …");
			break;
		}
		used += (size_t)n;
	}
	return buf;
}

void oip_ports_shape_json(struct text *t, const struct rt_shape *s)
{
	text_add(t, "\"shape\":[");
	for (int i = 0; i < s->rank; i++)
		text_printf(t, "%s%" PRId64, i == 0 ? "" : ",", s->dims[i]);
	text_add(t, "]");
}

static void port_json(struct text *t, const struct rt_port *p)
{
	text_add(t, "{\"name\":");
	text_json(t, p->name);
	text_add(t, ",\"datatype\":");
	text_json(t, rt_dtype_oip(p->dtype));
	text_add(t, ",");
	oip_ports_shape_json(t, &p->shape);
	text_add(t, "}");
}

void oip_ports_json(struct text *t, const struct oip_ports *ports)
{
	const char *between = "";

	text_add(t, "\"inputs\":[");
	for (size_t i = 0; i < ports->input_count; i++) {
		if (ports->inputs[i]->optional)
			continue;
		text_add(t, between);
		port_json(t, ports->inputs[i]);
		between = ",";
	}
	text_add(t, "],\"outputs\":[");
	for (size_t i = 0; i < ports->output_count; i++) {
		text_add(t, i == 0 ? "" : ",");
		port_json(t, ports->outputs[i]);
	}
	text_add(t, "]");
}
