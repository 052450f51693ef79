/* SPDX-License-Identifier: MIT */
/*
 * check_oip.c — the Open Inference Protocol as bytes: daemon/oip.c and the files
 * it is made of.  Expected tensors are written out here as bytes, from the tables
 * of inference_rest.md and extension_binary_data.md; the 19-byte example is theirs.
 */
#include <config.h>

#include <check.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/arena.h"
#include "daemon/fault.h"
#include "daemon/oip.h"
#include "daemon/oip_ports.h"
#include "daemon/text.h"

Suite *check_oip(void);

/* ---- models: only their ports ---------------------------------------------------- */

#define DIMS(...) .dims = {__VA_ARGS__}

static const struct rt_port input0 = {"input0", RT_U32, {.rank = 2, DIMS(2, 2)}, {NULL}, false};
static const struct rt_port input1 = {"input1", RT_BOOL, {.rank = 1, DIMS(3)}, {NULL}, false};
static const struct rt_port image = {"x", RT_F32, {.rank = 2, DIMS(-1, 3)}, {NULL}, false};
static const struct rt_port two_free = {"x", RT_F32, {.rank = 2, DIMS(-1, -1)}, {NULL}, false};
static const struct rt_port any_shape = {"x", RT_F32, {.rank = -1}, {NULL}, false};
static const struct rt_port scalar = {"x", RT_F32, {.rank = 0}, {NULL}, false};
static const struct rt_port extra = {"extra", RT_I64, {.rank = 1, DIMS(-1)}, {NULL}, true};
static const struct rt_port words = {"w", RT_STR, {.rank = 1, DIMS(-1)}, {NULL}, false};
static const struct rt_port half = {"h", RT_F16, {.rank = 1, DIMS(-1)}, {NULL}, false};
static const struct rt_port output0 = {"output0", RT_F32, {.rank = 2, DIMS(3, 2)}, {NULL}, false};
static const struct rt_port output1 = {"output1", RT_I64, {.rank = 1, DIMS(2)}, {NULL}, false};

#define MODEL(name, ins, outs, ...)                                                                \
	static const struct rt_port *const name##_ports[] = {__VA_ARGS__};                         \
	static const struct oip_ports name = {ins, outs, name##_ports, name##_ports + (ins), NULL}

MODEL(example, 2, 1, &input0, &input1, &output0);
MODEL(frames, 1, 2, &image, &output0, &output1);
MODEL(free2, 1, 1, &two_free, &output0);
MODEL(any, 1, 1, &any_shape, &output0);
MODEL(one, 1, 1, &scalar, &output0);
MODEL(optional, 2, 1, &extra, &image, &output0);
MODEL(strings, 1, 1, &words, &words);
MODEL(halves, 1, 1, &half, &half);

/* ---- requests ------------------------------------------------------------------- */

static struct arena arena;
static struct fault fault;
static struct oip_request rq;
static char *body; /* exactly as large as the request, so that a read beyond it shows */

static void setup(void)
{
	arena_init(&arena);
	memset(&fault, 0, sizeof fault);
	memset(&rq, 0, sizeof rq);
	body = NULL;
}

static void teardown(void)
{
	arena_release(&arena);
	free(body);
}

/* ${json} then ${blob}; ${header} as given, or, for "=", the length of the JSON. */
static int parse(const struct oip_ports *ports, const char *header, const char *json,
		 const char *blob, size_t blob_bytes)
{
	size_t n = strlen(json), all = n + blob_bytes;
	char length[32];

	free(body);
	body = malloc(all == 0 ? 1 : all);
	ck_assert_ptr_nonnull(body);
	memcpy(body, json, n);
	if (blob_bytes != 0)
		memcpy(body + n, blob, blob_bytes);
	if (header != NULL && strcmp(header, "=") == 0) {
		snprintf(length, sizeof length, "%zu", n);
		header = length;
	}
	return oip_parse((struct rt_bytes){body, all}, header, ports, &arena, &rq, &fault);
}

static void ok(int status)
{
	ck_assert_msg(status == 0, "refused: %u %s", fault.http, fault.text);
}

/* One input [${dims}] of ${datatype} with JSON ${data}, on a model that takes any shape. */
static int parse_data(enum rt_dtype dtype, const char *shape, const char *data)
{
	struct rt_port port = {"x", dtype, {.rank = -1}, {NULL}, false};
	const struct rt_port *ports[] = {&port, &output0};
	struct oip_ports model = {1, 1, ports, ports + 1, NULL};
	char *json = arena_printf(
	    &arena, "{\"inputs\":[{\"name\":\"x\",\"shape\":%s,\"datatype\":\"%s\",\"data\":%s}]}",
	    shape, rt_dtype_oip(dtype), data);

	ck_assert_ptr_nonnull(json);
	return parse(&model, NULL, json, NULL, 0);
}

static void refused(int status, unsigned http, const char *part)
{
	ck_assert_msg(status == -1, "taken, but should say: %s", part);
	ck_assert_msg(fault.http == http && strstr(fault.text, part) != NULL,
		      "said %u \"%s\", should be %u with \"%s\"", fault.http, fault.text, http,
		      part);
}

static void same(const struct rt_tensor *t, const void *bytes, size_t size)
{
	ck_assert_uint_eq(rt_tensor_bytes(t), size);
	ck_assert_mem_eq(t->data, bytes, size);
}

/* ---- the specification's examples -------------------------------------------------- */

START_TEST(spec_binary)
{
	static const char json[] =
	    "{\"model_name\":\"mymodel\",\"inputs\":["
	    "{\"name\":\"input0\",\"shape\":[2,2],\"datatype\":\"UINT32\","
	    "\"parameters\":{\"binary_data_size\":16}},"
	    "{\"name\":\"input1\",\"shape\":[3],\"datatype\":\"BOOL\","
	    "\"parameters\":{\"binary_data_size\":3}}],"
	    "\"outputs\":[{\"name\":\"output0\",\"parameters\":{\"binary_data\":true}}]}";
	static const char blob[19] = {1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4, 0, 0, 0, 1, 0, 1};

	ok(parse(&example, "=", json, blob, sizeof blob));
	same(&rq.inputs[0], blob, 16);
	same(&rq.inputs[1], blob + 16, 3);
	ck_assert_uint_eq(rq.output_count, 1);
	ck_assert(rq.outputs[0].binary && rq.wanted[0]);
	ck_assert_ptr_null(rq.id);
}
END_TEST

START_TEST(spec_json)
{
	static const char json[] = "{\"id\":\"42\",\"inputs\":["
				   "{\"name\":\"input0\",\"shape\":[2,2],\"datatype\":\"UINT32\","
				   "\"data\":[1,2,3,4]},"
				   "{\"name\":\"input1\",\"shape\":[3],\"datatype\":\"BOOL\","
				   "\"data\":[true,false,true]}],"
				   "\"outputs\":[{\"name\":\"output0\"}]}";
	static const uint32_t numbers[] = {1, 2, 3, 4};

	ok(parse(&example, NULL, json, NULL, 0));
	same(&rq.inputs[0], numbers, sizeof numbers);
	same(&rq.inputs[1], "\1\0\1", 3);
	ck_assert_str_eq(rq.id, "42");
	ck_assert(!rq.outputs[0].binary);
}
END_TEST

/* The second input first and binary, the first one JSON: blobs go by the order of the JSON. */
START_TEST(mixed)
{
	static const char json[] = "{\"inputs\":[{\"name\":\"input1\",\"shape\":[3],\"datatype\":"
				   "\"BOOL\",\"parameters\":{\"binary_data_size\":3}},"
				   "{\"data\":[[1,2],[3,4]],\"name\":\"input0\",\"shape\":[2,2],"
				   "\"datatype\":\"UINT32\"}]}";
	static const uint32_t numbers[] = {1, 2, 3, 4};

	ok(parse(&example, "=", json, "\0\1\1", 3));
	same(&rq.inputs[0], numbers, sizeof numbers);
	same(&rq.inputs[1], "\0\1\1", 3);
}
END_TEST

#define FRAME(shape, rest)                                                                         \
	"{\"inputs\":[{\"name\":\"x\",\"shape\":" shape ",\"datatype\":\"FP32\"," rest "}]}"
#define BLOB(n) "\"parameters\":{\"binary_data_size\":" #n "}"

/* JSON of every length mod 8, so that the blob is aligned and is not. */
START_TEST(alignment)
{
	char json[160];
	static const float values[3] = {1.5f, -2.0f, 0.25f};

	snprintf(json, sizeof json, "%.*s" FRAME("[1,3]", BLOB(12)), _i, "       ");
	ok(parse(&frames, "=", json, (const char *)values, sizeof values));
	ck_assert_uint_eq((uintptr_t)rq.inputs[0].data % 4, 0);
	same(&rq.inputs[0], values, sizeof values);
}
END_TEST

START_TEST(aligned_blob_is_not_copied)
{
	char json[160];
	size_t n;
	static const float values[3] = {1.5f, -2.0f, 0.25f};

	snprintf(json, sizeof json, "%s", FRAME("[1,3]", BLOB(12)));
	n = strlen(json);
	memset(json + n, ' ', (4 - n % 4) % 4);
	json[n + (4 - n % 4) % 4] = '\0';
	ok(parse(&frames, "=", json, (const char *)values, sizeof values));
	ck_assert_ptr_eq(rq.inputs[0].data, body + strlen(json));
}
END_TEST

START_TEST(raw)
{
	static const float values[6] = {1, 2, 3, 4, 5, 6};

	ok(parse(&frames, "0", "", (const char *)values, sizeof values));
	ck_assert_int_eq(rq.inputs[0].shape.rank, 2);
	ck_assert_int_eq(rq.inputs[0].shape.dims[0], 2);
	same(&rq.inputs[0], values, sizeof values);
	ck_assert_uint_eq(rq.output_count, 2);
	ck_assert(rq.outputs[0].binary && rq.outputs[1].binary);
	ok(parse(&frames, "0", "", NULL, 0));
	ck_assert_int_eq(rq.inputs[0].shape.dims[0], 0);
	ok(parse(&one, "000", "", (const char *)values, 4));
	ck_assert_int_eq(rq.inputs[0].shape.rank, 0);
	refused(parse(&one, "0", "", (const char *)values, 8), 400, "needs 4");
	refused(parse(&frames, "0", "", (const char *)values, 13), 400, "a multiple of 12");
	refused(parse(&free2, "0", "", (const char *)values, 12), 400, "does not tell the shape");
	refused(parse(&any, "0", "", (const char *)values, 12), 400, "does not tell the shape");
	refused(parse(&example, "0", "", (const char *)values, 12), 400, "one input, this has 2");
	/* extension_binary_data.md: the whole body is the element, no length before it */
	ok(parse(&strings, "0", "", "ab", 2));
	ck_assert_int_eq(rt_tensor_elems(&rq.inputs[0]), 1);
	ck_assert_uint_eq(((const struct rt_str *)rq.inputs[0].data)->size, 2);
	ck_assert_mem_eq(((const struct rt_str *)rq.inputs[0].data)->bytes, "ab", 2);
	ok(parse(&optional, "0", "", (const char *)values, 12));
	same(&rq.inputs[1], values, 12);
	ck_assert_ptr_null(rq.inputs[0].data);
}
END_TEST

/* ---- headers ------------------------------------------------------------------------ */

static const struct {
	const char *header, *says;
} bad_headers[] = {
    {"-1", "not a decimal"},
    {"1e3", "not a decimal"},
    {"", "not a decimal"},
    {" 5", "not a decimal"},
    {"5 ", "not a decimal"},
    {"+5", "not a decimal"},
    {"0x10", "not a decimal"},
    {"1.0", "not a decimal"},
    {"5,5", "not a decimal"},
    {"\xd9\xa5", "not a decimal"},
    {"99999", "is 99999, the body has"},
    {"18446744073709551615", "the body has"},
    {"18446744073709551616", "the body has"},
    {"99999999999999999999", "the body has"},
    {"99999999999999999999999999999999999999999999", "the body has"},
};

START_TEST(header)
{
	refused(parse(&frames, bad_headers[_i].header, FRAME("[1,3]", "\"data\":[1,2,3]"), NULL, 0),
		400, bad_headers[_i].says);
}
END_TEST

/* J inside the two bytes of é; J one short and one long of the JSON. */
START_TEST(header_in_mid_json)
{
	static const char json[] = "{\"id\":\"\xc3\xa9\"}";

	refused(parse(&frames, "8", json, NULL, 0), 400, "not JSON");
	refused(parse(&frames, "1", json, NULL, 0), 400, "not JSON");
	refused(parse(&frames, NULL, "", NULL, 0), 400, "not JSON");
}
END_TEST

/* ---- what is refused, and in which words ---------------------------------------------- */

static const struct {
	const struct oip_ports *model;
	unsigned http;
	const char *says, *json;
} refusals[] = {
    {&frames, 400, "not JSON", "{"},
    {&frames, 400, "not JSON", "hello"},
    {&frames, 400, "not JSON", "{\"inputs\":[]} x"},
    {&frames, 400, "not JSON", "{\"inputs\":[],\"inputs\":[]}"},
    {&frames, 400, "not an inference request", "[]"},
    {&frames, 400, "not an inference request", "{}"},
    {&frames, 400, "\"inputs\" must be an array", "{\"inputs\":{}}"},
    {&frames, 400, "\"inputs\" must be an array", "{\"inputs\":null}"},
    {&frames, 400, "\"id\" must be a string", "{\"inputs\":[],\"id\":7}"},
    {&frames, 400, "\"outputs\" must be an array", "{\"inputs\":[],\"outputs\":{}}"},
    {&frames, 400, "\"parameters\" must be an object", "{\"inputs\":[],\"parameters\":[]}"},
    {&frames, 400, "must be true or false",
     "{\"inputs\":[],\"parameters\":{\"binary_data_output\":1}}"},
    {&frames, 400, "input \"x\" (FP32 [?,3]) is missing", "{\"inputs\":[]}"},
    {&frames, 400, "inputs[0]", "{\"inputs\":[7]}"},
    {&frames, 400, "inputs[0]", "{\"inputs\":[[{\"data\":[1]}]]}"},
    {&frames, 400, "inputs[0]", "{\"inputs\":[{\"name\":7,\"shape\":[],\"datatype\":\"FP32\"}]}"},
    {&frames, 400, "no input \"y\"; the model has \"x\"",
     "{\"inputs\":[{\"name\":\"y\",\"shape\":[1,3],\"datatype\":\"FP32\",\"data\":[1,2,3]}]}"},
    {&frames, 400, "input \"x\": datatype is INT32, the model takes FP32",
     "{\"inputs\":[{\"name\":\"x\",\"shape\":[1,3],\"datatype\":\"INT32\",\"data\":[1,2,3]}]}"},
    {&frames, 400, "unknown datatype \"float\"",
     "{\"inputs\":[{\"name\":\"x\",\"shape\":[1,3],\"datatype\":\"float\",\"data\":[1,2,3]}]}"},
    {&frames, 400, "input \"x\": shape is [1,4], the model takes [?,3]",
     FRAME("[1,4]", "\"data\":[1,2,3,4]")},
    {&frames, 400, "shape is [3], the model takes [?,3]", FRAME("[3]", "\"data\":[1,2,3]")},
    {&frames, 400, "integers of 0 and more", FRAME("[-1,3]", "\"data\":[]")},
    {&frames, 400, "integers of 0 and more", FRAME("[1.0,3]", "\"data\":[1,2,3]")},
    {&frames, 400, "integers of 0 and more", FRAME("[\"1\",3]", "\"data\":[1,2,3]")},
    {&frames, 400, "must be an array", FRAME("{}", "\"data\":[1,2,3]")},
    {&any, 400, "at most 8", FRAME("[1,1,1,1,1,1,1,1,1]", "\"data\":[1]")},
    {&any, 400, "too large", FRAME("[4294967296,4294967296,4294967296]", "\"data\":[1]")},
    {&any, 400, "too large", FRAME("[9223372036854775807,2]", BLOB(8))},
    {&any, 400, "not JSON", FRAME("[99999999999999999999]", "\"data\":[1]")},
    {&any, 400, "data has 1 elements, shape [1000000000] needs 1000000000",
     FRAME("[1000000000]", "\"data\":[1]")},
    {&any, 400, "the body has 0 bytes left", FRAME("[1000000000]", BLOB(4000000000))},
    {&frames, 400, "given twice",
     "{\"inputs\":[{\"name\":\"x\",\"shape\":[1,3],\"datatype\":\"FP32\",\"data\":[1,2,3]},"
     "{\"name\":\"x\",\"shape\":[1,3],\"datatype\":\"FP32\",\"data\":[1,2,3]}]}"},
    {&frames, 400, "either \"data\" or", FRAME("[1,3]", "\"parameters\":{}")},
    {&frames, 400, "not both", FRAME("[1,3]", BLOB(12) ",\"data\":[1,2,3]")},
    {&frames, 400, "must be an integer of 0 and more", FRAME("[1,3]", BLOB(-12))},
    {&frames, 400, "must be an integer of 0 and more", FRAME("[1,3]", BLOB(12.0))},
    {&frames, 400, "must be an integer of 0 and more", FRAME("[1,3]", BLOB("12"))},
    {&frames, 400, "\"parameters\" must be an object", FRAME("[1,3]", "\"parameters\":7")},
    {&frames, 400, "\"data\" must be an array", FRAME("[1,3]", "\"data\":0")},
    {&frames, 400, "\"data\" must be an array", FRAME("[1,3]", "\"data\":null")},
    {&frames, 400, "\"data\" must be an array", FRAME("[1,3]", "\"data\":\"[1,2,3]\"")},
    {&frames, 400, "escapes are not taken", FRAME("[1,3]", "\"d\\u0061ta\":0")},
    {&frames, 400, "escapes are not taken", "{\"input\\u0073\":[]}"},
    {&frames, 400, "not JSON", FRAME("[1,3]", "\"data\":[1,2,3],\"data\":[1,2,3]")},
    {&frames, 400, "no output \"z\"; the model has \"output0\", \"output1\"",
     "{\"inputs\":[],\"outputs\":[{\"name\":\"z\"}]}"},
    {&frames, 400, "asked for twice",
     "{\"inputs\":[],\"outputs\":[{\"name\":\"output0\"},{\"name\":\"output0\"}]}"},
    {&frames, 400, "outputs[0]", "{\"inputs\":[],\"outputs\":[\"output0\"]}"},
    {&frames, 400, "\"binary_data\" must be true or false",
     "{\"inputs\":[],\"outputs\":[{\"name\":\"output0\",\"parameters\":{\"binary_data\":1}}]}"},
    {&frames, 400, "not offered",
     "{\"inputs\":[],\"outputs\":[{\"name\":\"output0\",\"parameters\":{\"classification\":3}}]}"},
    {&frames, 400, "no end, or is nested deeper",
     FRAME("[1,3]", "\"data\":[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[")},
    {&halves, 400, "no JSON form",
     "{\"inputs\":[{\"name\":\"h\",\"shape\":[1],\"datatype\":\"FP16\",\"data\":[1]}]}"},
};

START_TEST(refusal)
{
	refused(parse(refusals[_i].model, NULL, refusals[_i].json, NULL, 0), refusals[_i].http,
		refusals[_i].says);
}
END_TEST

START_TEST(binary_sizes)
{
	static const char zeros[64];

	refused(parse(&frames, "=", FRAME("[1,3]", BLOB(12)), zeros, 11), 400,
		"binary_data_size is 12, the body has 11 bytes left");
	refused(parse(&frames, "=", FRAME("[1,3]", BLOB(12)), zeros, 13), 400,
		"1 bytes that belong to no input");
	refused(parse(&frames, "=", FRAME("[1,3]", BLOB(8)), zeros, 8), 400,
		"8 bytes of binary data, FP32 [1,3] needs 12");
	refused(parse(&frames, "=", FRAME("[1,3]", BLOB(16)), zeros, 16), 400, "needs 12");
	refused(parse(&frames, "=", FRAME("[1,3]", BLOB(0)), zeros, 0), 400, "needs 12");
	refused(parse(&frames, "=", FRAME("[1,3]", "\"data\":[1,2,3]"), zeros, 12), 400,
		"12 bytes that belong to no input");
	refused(parse(&frames, "=", FRAME("[1,3]", BLOB(9223372036854775807)), zeros, 12), 400,
		"the body has 12 bytes left");
	ok(parse(&frames, "=", FRAME("[0,3]", BLOB(0)), NULL, 0));
	/* without the header everything is JSON: what follows it is not */
	refused(parse(&frames, NULL, FRAME("[1,3]", BLOB(12)), zeros, 12), 400, "not JSON");
}
END_TEST

START_TEST(binary_bools)
{
	static const char json[] =
	    "{\"inputs\":[{\"name\":\"input0\",\"shape\":[2,2],\"datatype\":\"UINT32\","
	    "\"data\":[1,2,3,4]},{\"name\":\"input1\",\"shape\":[3],\"datatype\":\"BOOL\","
	    "\"parameters\":{\"binary_data_size\":3}}]}";

	refused(parse(&example, "=", json, "\1\0\2", 3), 400, "element 2 is 2; BOOL has 0 and 1");
}
END_TEST

START_TEST(binary_strings)
{
#define WORDS(n, bytes)                                                                            \
	"{\"inputs\":[{\"name\":\"w\",\"shape\":[" #n "],\"datatype\":\"BYTES\"," BLOB(bytes) "}]" \
											      "}"
	const struct rt_str *s;

	ok(parse(&strings, "=", WORDS(2, 11), "\2\0\0\0hi\1\0\0\0\0", 11));
	s = rq.inputs[0].data;
	ck_assert_uint_eq(s[0].size, 2);
	ck_assert_mem_eq(s[0].bytes, "hi", 2);
	ck_assert_uint_eq(s[1].size, 1);
	refused(parse(&strings, "=", WORDS(2, 6), "\2\0\0\0hi", 6), 400, "cannot hold 2");
	refused(parse(&strings, "=", WORDS(1, 6), "\3\0\0\0hi", 6), 400, "is 3 bytes long, 2 are");
	refused(parse(&strings, "=", WORDS(1, 6), "\377\377\377\377hi", 6), 400, "4294967295");
	refused(parse(&strings, "=", WORDS(1, 7), "\2\0\0\0hi!", 7), 400, "1 bytes after");
	refused(parse(&strings, "=", WORDS(2, 8), "\2\0\0\0hi\1\0", 8), 400, "no length");
	refused(parse(&strings, "=", WORDS(1000000000000, 0), NULL, 0), 400, "cannot hold");
}
END_TEST

START_TEST(half_binary)
{
	ok(parse(&halves, "=",
		 "{\"inputs\":[{\"name\":\"h\",\"shape\":[2],\"datatype\":\"FP16\"," BLOB(4) "}]}",
		 "\0\x3c\0\xc0", 4));
	same(&rq.inputs[0], "\0\x3c\0\xc0", 4);
}
END_TEST

START_TEST(optional_input)
{
	ok(parse(&optional, NULL, FRAME("[1,3]", "\"data\":[1,2,3]"), NULL, 0));
	ck_assert_ptr_null(rq.inputs[0].data);
	ck_assert_ptr_nonnull(rq.inputs[1].data);
}
END_TEST

START_TEST(output_choice)
{
	ok(parse(&frames, NULL, FRAME("[1,3]", "\"data\":[1,2,3]"), NULL, 0));
	ck_assert_uint_eq(rq.output_count, 2);
	ck_assert(rq.wanted[0] && rq.wanted[1] && !rq.outputs[0].binary);
	ok(parse(&frames, NULL,
		 "{\"parameters\":{\"binary_data_output\":true,\"other\":1},"
		 "\"inputs\":[{\"name\":\"x\",\"shape\":[0,3],\"datatype\":\"FP32\",\"data\":[]}],"
		 "\"outputs\":[{\"name\":\"output1\",\"parameters\":{\"binary_data\":false}},"
		 "{\"name\":\"output0\"}]}",
		 NULL, 0));
	ck_assert_uint_eq(rq.outputs[0].index, 1);
	ck_assert(!rq.outputs[0].binary);
	ck_assert_uint_eq(rq.outputs[1].index, 0);
	ck_assert(rq.outputs[1].binary);
	ok(parse(&frames, NULL,
		 "{\"inputs\":[{\"name\":\"x\",\"shape\":[0,3],\"datatype\":\"FP32\",\"data\":[]}],"
		 "\"outputs\":[{\"name\":\"output1\"}]}",
		 NULL, 0));
	ck_assert(!rq.wanted[0] && rq.wanted[1]);
}
END_TEST

/* ---- hostile bodies ----------------------------------------------------------------------- */

/* 1 MiB of brackets, of keys, of digits, of small numbers: refused, soon and in little memory. */
START_TEST(bombs)
{
	size_t n = (size_t)4 << 20;
	char *big = malloc(n + 1);
	static const char *const unit[] = {"[",    "{\"a\":",       "0,", "\"", "9",
					   "[0,[", "{\"inputs\":[{"};

	ck_assert_ptr_nonnull(big);
	for (size_t u = 0; u < sizeof unit / sizeof *unit; u++) {
		for (size_t i = 0; i < n; i++)
			big[i] = unit[u][i % strlen(unit[u])];
		big[n] = '\0';
		ck_assert_int_eq(parse(&frames, NULL, big, NULL, 0), -1);
		ck_assert(fault.http == 400 || fault.http == 413);
	}
	free(big);
	refused(parse(&frames, NULL,
		      arena_printf(&arena, "{\"inputs\":[],\"a\":\"%*s\"}", 1 << 20, ""), NULL, 0),
		413, "bytes of JSON besides tensor data");
	refused(
	    parse(&frames, NULL,
		  arena_printf(&arena, "{\"a\":\"%*s\",\"inputs\":[{\"data\":[1]}]}", 1 << 20, ""),
		  NULL, 0),
	    413, "bytes of JSON besides tensor data");
}
END_TEST

/* Every prefix of a good request is refused, and nothing is read behind it (asan). */
START_TEST(prefixes)
{
	static const char json[] = "{\"id\":\"a\",\"inputs\":[{\"name\":\"x\",\"shape\":[1,3],"
				   "\"datatype\":\"FP32\",\"data\":[1.5,-2e3,3]}]}";
	char part[sizeof json];

	for (size_t i = 0; i + 1 < sizeof json; i++) {
		memcpy(part, json, i);
		part[i] = '\0';
		ck_assert_int_eq(parse(&frames, NULL, part, NULL, 0), -1);
		ck_assert_uint_eq(fault.http, 400);
	}
	ok(parse(&frames, NULL, json, NULL, 0));
}
END_TEST

/* ---- answers ----------------------------------------------------------------------------- */

static struct oip_answer answer;

static json_t *answered(const struct oip_ports *ports, const struct rt_tensor *tensors)
{
	json_t *root;

	ok(oip_answer(&rq, ports, tensors, "org/m", "abc", &arena, &answer, &fault));
	root = json_loadb(answer.data, answer.json_size, JSON_REJECT_DUPLICATES, NULL);
	ck_assert_msg(root != NULL, "not JSON: %.*s", (int)answer.json_size, answer.data);
	ck_assert_str_eq(json_string_value(json_object_get(root, "model_name")), "org/m");
	ck_assert_str_eq(json_string_value(json_object_get(root, "model_version")), "abc");
	return root;
}

static float out_f32[6] = {1.0f, 1.1f, 2.0f, 2.1f, -3.0e-20f, 3.1f};
static int64_t out_i64[2] = {INT64_MIN, INT64_MAX};

static void tensors_of(struct rt_tensor t[2])
{
	t[0] = (struct rt_tensor){RT_F32, rt_shape_of(2, (int64_t)3, (int64_t)2), out_f32};
	t[1] = (struct rt_tensor){RT_I64, rt_shape_of(1, (int64_t)2), out_i64};
}

START_TEST(answer_json)
{
	struct rt_tensor t[2];
	json_t *root, *out, *data;

	tensors_of(t);
	ok(parse(&frames, NULL,
		 "{\"id\":\"\\u00e9\\\"\",\"inputs\":[{\"name\":\"x\",\"shape\":[0,3],"
		 "\"datatype\":\"FP32\",\"data\":[]}]}",
		 NULL, 0));
	root = answered(&frames, t);
	ck_assert(!answer.binary && answer.size == answer.json_size);
	ck_assert_str_eq(json_string_value(json_object_get(root, "id")), "\xc3\xa9\"");
	out = json_array_get(json_object_get(root, "outputs"), 0);
	ck_assert_str_eq(json_string_value(json_object_get(out, "name")), "output0");
	ck_assert_str_eq(json_string_value(json_object_get(out, "datatype")), "FP32");
	ck_assert_int_eq(json_integer_value(json_array_get(json_object_get(out, "shape"), 0)), 3);
	data = json_object_get(out, "data");
	for (size_t i = 0; i < 6; i++)
		ck_assert_float_eq((float)json_number_value(json_array_get(data, i)), out_f32[i]);
	ck_assert_ptr_nonnull(strstr(answer.data, "[1,1.1,2,2.1,-3e-20,3.1]"));
	out = json_array_get(json_object_get(root, "outputs"), 1);
	ck_assert_int_eq(json_integer_value(json_array_get(json_object_get(out, "data"), 0)),
			 INT64_MIN);
	json_decref(root);
}
END_TEST

/* JSON output between two binary ones; the blobs follow in the order of the outputs. */
START_TEST(answer_binary)
{
	struct rt_tensor t[2];
	json_t *root, *outputs;
	size_t n;

	tensors_of(t);
	ok(parse(&frames, NULL,
		 "{\"parameters\":{\"binary_data_output\":true},\"inputs\":[{\"name\":\"x\","
		 "\"shape\":[0,3],\"datatype\":\"FP32\",\"data\":[]}],\"outputs\":["
		 "{\"name\":\"output1\"},{\"name\":\"output0\"}]}",
		 NULL, 0));
	root = answered(&frames, t);
	outputs = json_object_get(root, "outputs");
	ck_assert(answer.binary);
	ck_assert_ptr_null(json_object_get(root, "id"));
	n = answer.json_size;
	ck_assert_uint_eq(answer.size, n + 16 + 24);
	ck_assert_mem_eq(answer.data + n, out_i64, 16);
	ck_assert_mem_eq(answer.data + n + 16, out_f32, 24);
	ck_assert_int_eq(
	    json_integer_value(json_object_get(
		json_object_get(json_array_get(outputs, 0), "parameters"), "binary_data_size")),
	    16);
	ck_assert_ptr_null(json_object_get(json_array_get(outputs, 0), "data"));
	json_decref(root);
}
END_TEST

START_TEST(answer_not_finite)
{
	float bad[6] = {0, 1, INFINITY, 2, NAN, 0};
	struct rt_tensor t[2];

	tensors_of(t);
	t[0].data = bad;
	ok(parse(&frames, NULL, FRAME("[0,3]", "\"data\":[]"), NULL, 0));
	refused(oip_answer(&rq, &frames, t, "m", "v", &arena, &answer, &fault), 400,
		"output \"output0\": element 2");
	rq.outputs[0].binary = true;
	json_decref(answered(&frames, t));
}
END_TEST

START_TEST(answer_strings)
{
	struct rt_str s[2] = {{"hi", 2}, {"", 0}};
	struct rt_tensor t = {RT_STR, rt_shape_of(1, (int64_t)2), s};

	ok(parse_data(RT_F32, "[0]", "[]"));
	rq.outputs[0] = (struct oip_output){0, true};
	json_decref(answered(&strings, &t));
	ck_assert_uint_eq(answer.size, answer.json_size + 10);
	ck_assert_mem_eq(answer.data + answer.json_size, "\2\0\0\0hi\0\0\0\0", 10);
	rq.outputs[0].binary = false;
	json_decref(answered(&strings, &t));
	ck_assert_ptr_nonnull(strstr(answer.data, "\"data\":[\"hi\",\"\"]"));
}
END_TEST

/* Many floats are written with all their digits: every one must come back as it was. */
START_TEST(answer_round_trip)
{
	enum { COUNT = 5000 };
	static float f[COUNT];
	struct rt_tensor t = {RT_F32, rt_shape_of(1, (int64_t)COUNT), f};
	uint32_t lcg = 1;
	json_t *root, *data;

	for (int i = 0; i < COUNT; i++) {
		lcg = lcg * 1664525u + 1013904223u;
		memcpy(&f[i], &lcg, 4);
		if (!isfinite(f[i]))
			f[i] = 0;
	}
	ok(parse_data(RT_F32, "[0]", "[]"));
	root = answered(&any, &t);
	data = json_object_get(json_array_get(json_object_get(root, "outputs"), 0), "data");
	for (size_t i = 0; i < COUNT; i++)
		ck_assert((float)json_number_value(json_array_get(data, i)) == f[i]);
	json_decref(root);
}
END_TEST

START_TEST(metadata)
{
	struct text t;
	json_t *root;

	text_init(&t, &arena);
	text_add(&t, "{");
	oip_ports_json(&t, &frames);
	text_add(&t, "}");
	ck_assert_str_eq(
	    t.data, "{\"inputs\":[{\"name\":\"x\",\"datatype\":\"FP32\",\"shape\":[-1,3]}],"
		    "\"outputs\":[{\"name\":\"output0\",\"datatype\":\"FP32\",\"shape\":[3,2]},"
		    "{\"name\":\"output1\",\"datatype\":\"INT64\",\"shape\":[2]}]}");
	text_init(&t, &arena);
	text_add(&t, "{");
	oip_ports_json(&t, &optional);
	text_add(&t, "}");
	ck_assert_ptr_null(strstr(t.data, "extra"));
	root = json_loads(t.data, 0, NULL);
	ck_assert_ptr_nonnull(root);
	json_decref(root);
}
END_TEST

#define COUNT(table) ((int)(sizeof(table) / sizeof *(table)))

Suite *check_oip(void)
{
	Suite *s = suite_create("oip");
	TCase *c = tcase_create("oip");

	tcase_add_checked_fixture(c, setup, teardown);
	tcase_set_timeout(c, 30);
	tcase_add_test(c, spec_binary);
	tcase_add_test(c, spec_json);
	tcase_add_test(c, mixed);
	tcase_add_loop_test(c, alignment, 0, 8);
	tcase_add_test(c, aligned_blob_is_not_copied);
	tcase_add_test(c, raw);
	tcase_add_loop_test(c, header, 0, COUNT(bad_headers));
	tcase_add_test(c, header_in_mid_json);
	tcase_add_loop_test(c, refusal, 0, COUNT(refusals));
	tcase_add_test(c, binary_sizes);
	tcase_add_test(c, binary_bools);
	tcase_add_test(c, binary_strings);
	tcase_add_test(c, half_binary);
	tcase_add_test(c, optional_input);
	tcase_add_test(c, output_choice);
	tcase_add_test(c, bombs);
	tcase_add_test(c, prefixes);
	tcase_add_test(c, answer_json);
	tcase_add_test(c, answer_binary);
	tcase_add_test(c, answer_not_finite);
	tcase_add_test(c, answer_strings);
	tcase_add_test(c, answer_round_trip);
	tcase_add_test(c, metadata);
	suite_add_tcase(s, c);
	return s;
}
