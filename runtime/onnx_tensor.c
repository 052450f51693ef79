/* SPDX-License-Identifier: MIT */
/*
 * onnx_tensor.c — TensorProto: where the numbers of a model are, in whichever of
 * its eight encodings.  Little-endian bytes that are aligned for their element
 * stay where they are; everything else is copied into the graph's memory.
 */
#include <config.h>

#include <string.h>

#include "runtime/onnx_reader.h"
#include "runtime/settle.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "raw_data is used as it is");

/* Field numbers of TensorProto that hold data. */
enum {
	FLOAT_DATA = 4,
	INT32_DATA = 5,
	STRING_DATA = 6,
	INT64_DATA = 7,
	RAW_DATA = 9,
	DOUBLE_DATA = 10,
	UINT64_DATA = 11,
};

/* What a first pass over the message finds. */
struct tensor_proto {
	struct rt_wire w; /* at its beginning, for the second pass */
	struct rt_str name;
	struct rt_shape shape;
	int64_t dtype; /* as in the file */
	bool has_raw, is_external;
	struct rt_bytes raw;
	uint32_t data_field; /* which of the typed fields has elements; 0: none */
	size_t data_count;   /* elements there */
	struct rt_str location, offset, length;
};

static const char *label(const struct tensor_proto *p)
{
	static _Thread_local char text[160];

	(void)snprintf(text, sizeof(text), "tensor '%.*s'",
		       (int)(p->name.size < 128 ? p->name.size : 128), p->name.bytes);
	return text;
}

static int malformed(struct rt_onnx_reader *r, const struct tensor_proto *p, const char *what)
{
	return rt_error_set(r->err, RT_MALFORMED, "%s %s", label(p), what);
}

/* ---- first pass ------------------------------------------------------------------------------ */

/* dims, which may be packed */
static void put_dim(void *arg, uint64_t raw)
{
	struct rt_shape *s = arg;

	if (s->rank < RT_RANK_MAX)
		s->dims[s->rank] = (int64_t)raw;
	if (s->rank <= RT_RANK_MAX)
		s->rank++; /* one past the bound; looked at afterwards */
}

/* StringStringEntryProto of external_data */
static int external_entry(struct rt_onnx_reader *r, struct rt_wire w, struct tensor_proto *p)
{
	struct rt_str key = {"", 0}, value = {"", 0};
	struct rt_field f;
	int status;

	while ((status = rt_wire_next(&w, &f, r->err)) > 0) {
		if (f.number == 1)
			status = rt_wire_string(&f, &key, r->err);
		else if (f.number == 2)
			status = rt_wire_string(&f, &value, r->err);
		if (status < 0)
			return status;
	}
	if (status < 0)
		return status;
	if (key.size == 8 && memcmp(key.bytes, "location", 8) == 0)
		p->location = value;
	else if (key.size == 6 && memcmp(key.bytes, "offset", 6) == 0)
		p->offset = value;
	else if (key.size == 6 && memcmp(key.bytes, "length", 6) == 0)
		p->length = value;
	return RT_OK;
}

static int typed_data(struct rt_onnx_reader *r, const struct rt_field *f, enum rt_wire_type t,
		      struct tensor_proto *p)
{
	size_t before = p->data_count;
	int status = rt_wire_count(f, t, &p->data_count, r->err);

	if (status < 0 || p->data_count == before)
		return status;
	if (p->data_field != 0 && p->data_field != f->number)
		return malformed(r, p, "has its elements in two places");
	p->data_field = f->number;
	return RT_OK;
}

static int tensor_field(struct rt_onnx_reader *r, const struct rt_field *f, struct tensor_proto *p)
{
	struct rt_wire sub;
	int64_t n;
	int status;

	switch (f->number) {
	case 1:
		return rt_wire_values(f, RT_WIRE_VARINT, put_dim, &p->shape, r->err);
	case 2:
		return rt_wire_int(f, &p->dtype, r->err);
	case 3:
		return rt_error_set(r->err, RT_UNSUPPORTED, "byte %zu: a tensor in segments",
				    f->offset);
	case 8:
		return rt_wire_string(f, &p->name, r->err);
	case FLOAT_DATA:
		return typed_data(r, f, RT_WIRE_FIXED32, p);
	case DOUBLE_DATA:
		return typed_data(r, f, RT_WIRE_FIXED64, p);
	case INT32_DATA:
	case INT64_DATA:
	case UINT64_DATA:
		return typed_data(r, f, RT_WIRE_VARINT, p);
	case STRING_DATA:
		if (f->type != RT_WIRE_BYTES)
			return malformed(r, p, "has a string that is none");
		if (f->bytes.size > RT_ONNX_STRING_MAX)
			return malformed(r, p, "has a string that is too long");
		if (p->data_field != 0 && p->data_field != STRING_DATA)
			return malformed(r, p, "has its elements in two places");
		p->data_field = STRING_DATA;
		p->data_count++;
		return RT_OK;
	case RAW_DATA:
		p->has_raw = true;
		if (f->type != RT_WIRE_BYTES)
			return malformed(r, p, "has raw_data that is not bytes");
		p->raw = f->bytes;
		return RT_OK;
	case 13:
		status = rt_wire_enter(&p->w, f, &sub, r->err);
		return status < 0 ? status : external_entry(r, sub, p);
	case 14:
		status = rt_wire_int(f, &n, r->err);
		p->is_external = status == RT_OK && n == 1;
		return status;
	default: /* doc_string, metadata, what later versions add */
		return RT_OK;
	}
}

/* ---- external data --------------------------------------------------------------------------- */

/* A chain of names below the model, nothing else. */
static bool location_is_safe(const char *s)
{
	if (s[0] == '\0' || s[0] == '/')
		return false;
	for (const char *p = s; *p != '\0';) {
		size_t len = strcspn(p, "/");

		if (len == 0 || (len == 1 && p[0] == '.') ||
		    (len == 2 && p[0] == '.' && p[1] == '.') || memchr(p, '\\', len) != NULL)
			return false;
		p += len;
		if (*p == '/' && *++p == '\0')
			return false;
	}
	return true;
}

static int find_file(struct rt_onnx_reader *r, const struct tensor_proto *p, struct rt_bytes *out)
{
	struct rt_str at = p->location;
	const char *location;
	void *array = r->files;
	int status;

	while (at.size > 2 && at.bytes[0] == '.' && at.bytes[1] == '/')
		at = (struct rt_str){at.bytes + 2, at.size - 2};
	for (int i = r->file_count - 1; i >= 0; i--) {
		if (strlen(r->files[i].location) == at.size &&
		    memcmp(r->files[i].location, at.bytes, at.size) == 0) {
			*out = r->files[i].bytes;
			return RT_OK;
		}
	}
	if (at.size > RT_ONNX_NAME_MAX || (at.size > 0 && memchr(at.bytes, 0, at.size) != NULL))
		return malformed(r, p, "names external data that cannot be a file");
	location = rt_graph_strdup(r->root, at.bytes, at.size);
	if (location == NULL)
		return rt_onnx_no_memory(r);
	if (!location_is_safe(location))
		return rt_error_set(r->err, RT_MALFORMED,
				    "%s names external data outside of the model: '%.200s'",
				    label(p), location);
	if (r->opts == NULL || r->opts->find == NULL)
		return rt_error_set(r->err, RT_NOT_FOUND,
				    "%s: external data '%.200s' is not available", label(p),
				    location);
	if (r->file_count == RT_ONNX_FILES_MAX)
		return malformed(r, p, "names one file of external data too many");
	status = r->opts->find(r->opts->find_arg, location, out);
	if (status < 0)
		return rt_error_set(r->err, status, "%s: external data '%.200s': %s", label(p),
				    location, rt_status_text(status));
	status = rt_onnx_grow(r, &array, r->file_count, &r->file_cap, sizeof(*r->files));
	if (status < 0)
		return status;
	r->files = array;
	r->files[r->file_count++] = (struct rt_onnx_file){location, *out};
	return RT_OK;
}

/* A decimal number without sign; empty = ${otherwise}. */
static bool decimal(struct rt_str s, uint64_t otherwise, uint64_t *out)
{
	uint64_t v = 0;

	for (size_t i = 0; i < s.size; i++) {
		if (s.bytes[i] < '0' || s.bytes[i] > '9' || __builtin_mul_overflow(v, 10, &v) ||
		    __builtin_add_overflow(v, (uint64_t)(s.bytes[i] - '0'), &v))
			return false;
	}
	*out = s.size == 0 ? otherwise : v;
	return true;
}

static int external_bytes(struct rt_onnx_reader *r, const struct tensor_proto *p, size_t want,
			  struct rt_bytes *out)
{
	struct rt_bytes file;
	uint64_t offset, length;
	int status;

	if (!decimal(p->offset, 0, &offset) || !decimal(p->length, want, &length))
		return malformed(r, p, "has an offset or length that is no number");
	if (length != want)
		return rt_error_set(r->err, RT_MALFORMED,
				    "%s: its shape needs %zu bytes, %llu are given", label(p), want,
				    (unsigned long long)length);
	status = find_file(r, p, &file);
	if (status < 0)
		return status;
	if (offset > file.size || want > file.size - offset)
		return rt_error_set(r->err, RT_MALFORMED,
				    "%s: %zu bytes at %llu are beyond the end of '%.*s' (%zu)",
				    label(p), want, (unsigned long long)offset,
				    (int)(p->location.size < 200 ? p->location.size : 200),
				    p->location.bytes, file.size);
	*out = (struct rt_bytes){(const uint8_t *)file.data + offset, want};
	return RT_OK;
}

/* ---- elements -------------------------------------------------------------------------------- */

/* Bytes as the tensor's data: where they are if aligned, else a copy. */
static int as_data(struct rt_onnx_reader *r, struct rt_bytes b, struct rt_tensor *out)
{
	const uint8_t *bytes = b.data;
	size_t bits = rt_dtype_bits(out->dtype), align = bits < 8 ? 1 : bits / 8;
	bool leave = r->leave && out->dtype == RT_F32 && b.size >= RT_SETTLE_BYTES;
	bool copy = (uintptr_t)b.data % align != 0 && !leave;
	uint8_t *data;

	for (size_t i = 0; out->dtype == RT_BOOL && i < b.size && !copy; i++)
		copy = bytes[i] > 1;
	if (!copy && b.size > 0) {
		/* Constants are never written to; const ends at this interface. */
		memcpy(&out->data, &b.data, sizeof(out->data));
		return RT_OK;
	}
	data = rt_graph_alloc(r->root, b.size);
	if (data == NULL)
		return rt_onnx_no_memory(r);
	if (b.size > 0)
		memcpy(data, bytes, b.size);
	for (size_t i = 0; out->dtype == RT_BOOL && i < b.size; i++)
		data[i] = data[i] != 0;
	out->data = data;
	return RT_OK;
}

/* Elements one by one, narrowed to the element type. */
struct fill {
	enum rt_dtype dtype;
	unsigned char *at;
};

static void put_element(void *arg, uint64_t raw)
{
	struct fill *f = arg;
	size_t bits = rt_dtype_bits(f->dtype), size = bits < 8 ? 1 : bits / 8;

	if (f->dtype == RT_BOOL)
		raw = raw != 0;
	memcpy(f->at, &raw, size); /* little endian: the low bytes */
	f->at += size;
}

static void put_string(struct fill *f, struct rt_bytes b)
{
	struct rt_str s = {b.size > 0 ? b.data : "", b.size};

	memcpy(f->at, &s, sizeof(s));
	f->at += sizeof(s);
}

/* The typed field that elements of type ${t} are kept in. */
static uint32_t field_of(enum rt_dtype t)
{
	switch (t) {
	case RT_F32:
		return FLOAT_DATA;
	case RT_F64:
		return DOUBLE_DATA;
	case RT_I64:
		return INT64_DATA;
	case RT_U32:
	case RT_U64:
		return UINT64_DATA;
	case RT_STR:
		return STRING_DATA;
	default:
		return INT32_DATA;
	}
}

static enum rt_wire_type wire_of(uint32_t field)
{
	if (field == FLOAT_DATA)
		return RT_WIRE_FIXED32;
	return field == DOUBLE_DATA ? RT_WIRE_FIXED64 : RT_WIRE_VARINT;
}

/* Second pass: copy the typed field. */
static int copy_typed(struct rt_onnx_reader *r, const struct tensor_proto *p, size_t bytes,
		      struct rt_tensor *out)
{
	struct fill fill = {.dtype = out->dtype};
	struct rt_wire w = p->w;
	struct rt_field f;
	int status;

	out->data = rt_graph_alloc(r->root, bytes);
	if (out->data == NULL)
		return rt_onnx_no_memory(r);
	fill.at = out->data;
	while ((status = rt_wire_next(&w, &f, r->err)) > 0) {
		if (f.number != p->data_field)
			continue;
		if (f.number == STRING_DATA)
			put_string(&fill, f.bytes);
		else
			status = rt_wire_values(&f, wire_of(f.number), put_element, &fill, r->err);
		if (status < 0)
			return status;
	}
	return status;
}

static int typed_elements(struct rt_onnx_reader *r, const struct tensor_proto *p, size_t bytes,
			  struct rt_tensor *out)
{
	size_t want = (size_t)rt_tensor_elems(out);
	struct rt_wire w = p->w;
	struct rt_field f;
	int status;

	if (rt_dtype_bits(out->dtype) < 8)
		want = bytes; /* one entry holds a byte of two elements */
	if (p->data_count != want)
		return rt_error_set(r->err, RT_MALFORMED,
				    "%s: its shape needs %zu elements, %zu are given", label(p),
				    want, p->data_count);
	if (want > 0 && p->data_field != field_of(out->dtype))
		return malformed(r, p, "has its elements in a field of another type");
	/* One packed field of fixed-width elements is the same as raw_data. */
	while (p->data_field == FLOAT_DATA || p->data_field == DOUBLE_DATA) {
		status = rt_wire_next(&w, &f, r->err);
		if (status <= 0)
			break;
		if (f.number == p->data_field && f.type == RT_WIRE_BYTES && f.bytes.size == bytes)
			return as_data(r, f.bytes, out);
	}
	return copy_typed(r, p, bytes, out);
}

int rt_onnx_tensor(struct rt_onnx_reader *r, struct rt_wire w, struct rt_str *name,
		   struct rt_tensor *out)
{
	struct tensor_proto p = {.w = w, .name = {"", 0}, .location = {"", 0}};
	struct rt_field f;
	size_t bytes;
	int status;

	if (++r->tensor_count > RT_ONNX_TENSORS_MAX)
		return rt_error_set(r->err, RT_MALFORMED, "more than %d tensors",
				    RT_ONNX_TENSORS_MAX);
	while ((status = rt_wire_next(&w, &f, r->err)) > 0) {
		status = tensor_field(r, &f, &p);
		if (status < 0)
			return status;
	}
	if (status < 0)
		return status;
	*name = p.name;
	if (p.dtype == 0)
		return malformed(r, &p, "has no element type");
	*out = (struct rt_tensor){.dtype = rt_dtype_of_onnx(p.dtype), .shape = p.shape};
	if (out->dtype == RT_NONE)
		return rt_error_set(r->err, RT_UNSUPPORTED, "%s: element type %lld", label(&p),
				    (long long)p.dtype);
	if (p.shape.rank > RT_RANK_MAX)
		return rt_error_set(r->err, RT_UNSUPPORTED, "%s: %d dimensions", label(&p),
				    p.shape.rank);
	if (!rt_shape_bytes(&p.shape, out->dtype, &bytes))
		return malformed(r, &p, "has a shape that is no shape");
	if (p.is_external || p.has_raw) {
		if (out->dtype == RT_STR)
			return malformed(r, &p, "has strings as raw bytes");
		if (p.is_external) {
			status = external_bytes(r, &p, bytes, &p.raw);
			if (status < 0)
				return status;
		}
		if (p.raw.size != bytes)
			return rt_error_set(r->err, RT_MALFORMED,
					    "%s: its shape needs %zu bytes, %zu are given",
					    label(&p), bytes, p.raw.size);
		return as_data(r, p.raw, out);
	}
	return typed_elements(r, &p, bytes, out);
}
