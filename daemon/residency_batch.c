/* SPDX-License-Identifier: MIT */
/* residency_batch.c — see residency_batch.h.  Called by infer.c and infer_batch.c. */
#include <config.h>

#include "daemon/residency_batch.h"

#include <string.h>

#include "daemon/residency.h"
#include "daemon/residency_table.h"

static bool port_fits(const struct rt_port *port, const char *name)
{
	return !port->optional && !rt_dtype_is_list(port->dtype) && port->shape.rank >= 1 &&
	       port->dtype != RT_STR && rt_dtype_bits(port->dtype) % 8 == 0 &&
	       port->shape.dims[0] < 0 && port->dim_names[0] != NULL &&
	       strcmp(port->dim_names[0], name) == 0;
}

bool residency_batch_fit(const struct oip_ports *ports)
{
	const char *name = ports->input_count == 0 ? NULL : ports->inputs[0]->dim_names[0];

	if (name == NULL || ports->output_count == 0)
		return false;
	for (size_t i = 0; i < ports->input_count; i++) {
		if (!port_fits(ports->inputs[i], name))
			return false;
	}
	for (size_t i = 0; i < ports->output_count; i++) {
		if (!port_fits(ports->outputs[i], name))
			return false;
	}
	return true;
}

bool residency_batch_may(const struct resident *m)
{
	return !atomic_load_explicit(&m->unbatched, memory_order_relaxed) &&
	       residency_batch_fit(&m->load.ports);
}

bool residency_batch_due(struct resident *m)
{
	unsigned n = atomic_fetch_add_explicit(&m->batches, 1, memory_order_relaxed) + 1;

	return (n & (n - 1)) == 0;
}

void residency_batch_refuse(struct resident *m)
{
	atomic_store_explicit(&m->unbatched, true, memory_order_relaxed);
}
