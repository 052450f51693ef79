/* SPDX-License-Identifier: MIT */
/*
 * TensorFlow.js models (runtime/tfjs*.c): what is read, what it computes, and what
 * is refused with which words.  Numbers are worked out by hand.
 */
#include <config.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/runtime.h"
#include "tests/runtime/suites.h"

/* A model.json, with ' for ", and up to two shards. */
struct files {
	const char *json;
	struct rt_bytes shards[2];
	const char *asked; /* the name that was asked for last */
};

static struct rt_error err;
static struct rt_team *team;
static struct rt_model *model;
static struct rt_session *session;
static char *text;

static int find(void *arg, const char *location, struct rt_bytes *out)
{
	struct files *f = arg;

	f->asked = location;
	if (strcmp(location, "a.bin") == 0)
		*out = f->shards[0];
	else if (strcmp(location, "dir/b.bin") == 0)
		*out = f->shards[1];
	else
		return RT_NOT_FOUND;
	return RT_OK;
}

static int open_files(struct files *f)
{
	struct rt_model_opts opts = {.cpu_level = RT_CPU_SCALAR, .find = find, .find_arg = f};
	size_t size = strlen(f->json);

	free(text);
	text = malloc(size + 1);
	ck_assert_ptr_nonnull(text);
	for (size_t i = 0; i <= size; i++)
		text[i] = f->json[i] == '\'' ? '"' : f->json[i];
	err.text[0] = '\0';
	return rt_model_open((struct rt_bytes){text, size}, &opts, &model, &err);
}

static void opened(struct files *f)
{
	int status = open_files(f);

	if (status == RT_OK)
		status = rt_session_open(model, team, &session, &err);
	ck_assert_msg(status == RT_OK, "%s", err.text);
}

static void refused(struct files *f, int status, const char *says)
{
	ck_assert_int_eq(open_files(f), status);
	ck_assert_msg(strstr(err.text, says) != NULL, "'%s' does not say '%s'", err.text, says);
}

/* Run on one float tensor and compare the first output. */
static void runs(int rank, const int64_t *dims, const float *x, int out_rank,
		 const int64_t *out_dims, const float *want)
{
	struct rt_tensor in[4] = {{.dtype = RT_F32, .shape.rank = rank}}, out[4];
	int status;

	memcpy(in[0].shape.dims, dims, sizeof(*dims) * (size_t)rank);
	memcpy(&in[0].data, &x, sizeof(x));
	status = rt_session_run(session, in, out, NULL, NULL, &err);
	ck_assert_msg(status == RT_OK, "%s", err.text);
	ck_assert_int_eq(out[0].shape.rank, out_rank);
	for (int i = 0; i < out_rank; i++)
		ck_assert_int_eq(out[0].shape.dims[i], out_dims[i]);
	for (int64_t i = 0; i < rt_tensor_elems(&out[0]); i++)
		ck_assert_float_eq_tol(((const float *)out[0].data)[i], want[i], 1e-5f);
}

static void start(void)
{
	team = rt_team_new(1);
}

static void stop(void)
{
	rt_session_close(session);
	rt_model_close(model);
	rt_team_free(team);
	free(text);
	session = NULL;
	model = NULL;
	text = NULL;
}

#define NODE(name, op, in, attr)                                                                   \
	"{'name':'" name "','op':'" op "','input':[" in "],'attr':{" attr "}}"
#define FLOAT "'T':{'type':'DT_FLOAT'}"
#define PLACEHOLDER(name, shape)                                                                   \
	NODE(name, "Placeholder", "",                                                              \
	     "'dtype':{'type':'DT_FLOAT'},'shape':{'shape':{'dim':[" shape "]}}")
#define CONST(name) NODE(name, "Const", "", "'dtype':{'type':'DT_FLOAT'}")

/* ---- weights --------------------------------------------------------------------------------- */

/* uint8 {0, 2, 4, 6} · 0.5 − 1 and float16 {1, −2}, in two shards cut in the middle. */
static const char product[] =
    "{'modelTopology':{'node':[" PLACEHOLDER("x", "{'size':'-1'},{'size':'2'}") "," CONST(
	"w") "," CONST("b") "," NODE("y", "_FusedMatMul", "'x','w','b'",
				     FLOAT ",'fused_ops':{'list':{'s':['Qmlhc0FkZA==','UmVsdQ==']}"
					   "}") "]},"
						"'weightsManifest':[{'paths':['a.bin','dir/"
						"b.bin'],'weights':["
						"{'name':'w','shape':[2,2],'dtype':'float32','"
						"quantization':{'dtype':'uint8','scale':0.5,"
						"'min':-1}},"
						"{'name':'b','shape':[2],'dtype':'float32','"
						"quantization':{'dtype':'float16'}}]}]}";
static const uint8_t first[3] = {0, 2, 4}, second[5] = {6, 0x00, 0x3c, 0x00, 0xc0};

START_TEST(quantised_weights)
{
	struct files f = {product, {{first, 3}, {second, 5}}, NULL};
	static const float x[4] = {3, 4, 3, -4}, want[4] = {2, 6, 0, 0};

	opened(&f);
	ck_assert_str_eq(rt_model_platform(model), "tensorflow_tfjs");
	ck_assert_str_eq(rt_model_input(model, 0)->name, "x");
	ck_assert_str_eq(rt_model_output(model, 0)->name, "y");
	ck_assert_int_eq(rt_model_input(model, 0)->shape.dims[0], -1);
	runs(2, (int64_t[]){2, 2}, x, 2, (int64_t[]){2, 2}, want);
}
END_TEST

START_TEST(shards_that_are_too_short)
{
	struct files f = {product, {{first, 3}, {second, 4}}, NULL};

	refused(&f, RT_MALFORMED, "weight 'b' has 4 bytes at 4 of shards of 7");
}
END_TEST

START_TEST(files_elsewhere_are_not_asked_for)
{
	static const char *const paths[] = {"../b.bin", "/etc/passwd", "a/../b.bin", "a//b",
					    "",         "a/"};
	char json[256];
	struct files f = {json, {{first, 3}, {second, 5}}, NULL};

	(void)snprintf(json, sizeof(json),
		       "{'modelTopology':{'node':[{'name':'x','op':'NoOp'}]},"
		       "'weightsManifest':[{'paths':['%s'],'weights':[]}]}",
		       paths[_i]);
	refused(&f, RT_MALFORMED, "names a file that it may not");
	ck_assert_ptr_null(f.asked);
}
END_TEST

START_TEST(weights_alone_are_not_run)
{
	struct files f = {
	    "[{'weights':[{'name':'w','shape':[1],'dtype':'float32'}],'paths':['a.bin']}]",
	    {{first, 3}, {second, 5}},
	    NULL};

	refused(&f, RT_UNSUPPORTED, "without a topology");
	ck_assert_ptr_nonnull(strstr(err.text, "can be served, but not run"));
	f.json = "{'architectures':['BertModel']}";
	refused(&f, RT_UNSUPPORTED, "no TensorFlow.js model");
}
END_TEST

/* ---- graph models ---------------------------------------------------------------------------- */

START_TEST(everything_missing_at_once)
{
	struct files f = {"{'modelTopology':{'node':[" PLACEHOLDER("x", "{'size':'2'}") "," NODE(
			      "a", "Frobnicate", "'x'",
			      FLOAT) "," NODE("r", "Relu", "'a'",
					      FLOAT) "," NODE("b", "HashTableV2", "'r'",
							      "") "," NODE("c", "Frobnicate",
									   "'b:1'", FLOAT) "]}}",
			  {{first, 3}, {second, 5}},
			  NULL};

	refused(&f, RT_UNSUPPORTED, "Frobnicate (tensorflow");
	ck_assert_ptr_nonnull(strstr(err.text, "2 nodes: 'a', 'c'"));
	ck_assert_ptr_nonnull(strstr(err.text, "HashTableV2 (tensorflow"));
}
END_TEST

START_TEST(graphs_that_are_none)
{
	static const char *const graphs[][2] = {
	    {NODE("y", "Relu", "'x'", ""), "'x' is not there"},
	    {NODE("a", "Relu", "'b'", "") "," NODE("b", "Relu", "'a'", "") "," NODE("y", "Relu",
										    "'b'", ""),
	     "depends on itself"},
	    {PLACEHOLDER("x", "") "," NODE("y", "Relu", "'x:3'", ""), "has no output 3"},
	    {PLACEHOLDER("x", "") "," PLACEHOLDER("x", ""), "there twice"},
	    {NODE("n", "NoOp", "", ""), "no outputs"},
	    {PLACEHOLDER("x", "") "," NODE("y", "PartitionedCall", "'x'",
					   "'f':{'func':{'name':'f'}}"),
	     "not in the library"},
	    {NODE("y", "Print", "", ""), "lacks an input"},
	    {"{'op':'Relu'}", "without a name"},
	};
	char json[1024];
	struct files f = {json, {{first, 3}, {second, 5}}, NULL};

	(void)snprintf(json, sizeof(json), "{'modelTopology':{'node':[%s]}}", graphs[_i][0]);
	ck_assert_int_lt(open_files(&f), 0);
	ck_assert_msg(strstr(err.text, graphs[_i][1]) != NULL, "'%s' does not say '%s'", err.text,
		      graphs[_i][1]);
}
END_TEST

/* v = 2 v until the sum of its elements is 100 or more. */
#define SIGNATURE(name)                                                                            \
	"'signature':{'name':'" name "','inputArg':[{'name':'v'}],'outputArg':[{'name':'o'}]}"
#define SUM NODE("s", "Sum", "'v','axis:output:0'", FLOAT)
#define LESS NODE("l", "Less", "'s:output:0','limit'", FLOAT)
#define COND "{" SIGNATURE("c") ",'nodeDef':[" CONST_NODES "," SUM "," LESS "],'ret':{'o':'l:z:0'}}"
#define CONST_NODES CONST("axis") "," CONST("limit")
#define TWICE NODE("d", "AddV2", "'v','v'", FLOAT)
#define BODY "{" SIGNATURE("b") ",'nodeDef':[" TWICE "],'ret':{'o':'d:z:0'}}"
#define FUNCTIONS "'cond':{'func':{'name':'c'}},'body':{'func':{'name':'b'}}"
#define LOOP PLACEHOLDER("x", "{'size':'2'}") "," NODE("w", "While", "'x'", FUNCTIONS)
static const char loop[] =
    "{'modelTopology':{'node':[" LOOP
    "," NODE("y", "Identity", "'w'", FLOAT) "],"
					    "'library':{'function':[" COND "," BODY "]}},"
					    "'weightsManifest':[{'paths':['a.bin'],'weights':["
					    "{'name':'axis','shape':[1],'dtype':'int32'},"
					    "{'name':'limit','shape':[],'dtype':'float32'}]}]}";

START_TEST(while_runs_its_functions)
{
	static const struct {
		int32_t axis;
		float limit;
	} weights = {0, 100};
	struct files f = {loop, {{&weights, 8}, {second, 5}}, NULL};
	static const float x[2] = {3, 4}, want[2] = {48, 64}, big[2] = {60, 50};

	opened(&f);
	runs(1, (int64_t[]){2}, x, 1, (int64_t[]){2}, want);
	runs(1, (int64_t[]){2}, big, 1, (int64_t[]){2}, big);
}
END_TEST

/* ---- layers models --------------------------------------------------------------------------- */

#define KERAS(layers, rest)                                                                        \
	"{'format':'layers-model','modelTopology':{'model_config':{'class_name':'Functional',"     \
	"'config':{'name':'m','layers':[" layers "]," rest "}}},"                                  \
	"'weightsManifest':[{'paths':['a.bin'],'weights':["                                        \
	"{'name':'d/kernel','shape':[2,2],'dtype':'float32'},"                                     \
	"{'name':'d/bias','shape':[2],'dtype':'float32'}]}]}"

static const float dense_weights[6] = {1, 2, 3, 4, -1, 1};

/* Keras 2, one layer that is called twice: relu(x W + b) W + b, relu */
static const char shared[] = KERAS(
    "{'class_name':'InputLayer','name':'i','config':{'batch_input_shape':[null,2],'name':'i'},"
    "'inbound_nodes':[]},"
    "{'class_name':'Dense','name':'d','config':{'name':'d','units':2,'activation':'relu'},"
    "'inbound_nodes':[[['i',0,0,{}]],[['d',0,0,{}]]]}",
    "'input_layers':[['i',0,0]],'output_layers':[['d',1,0]]");

START_TEST(a_layer_that_is_called_twice)
{
	struct files f = {shared, {{dense_weights, 24}, {second, 5}}, NULL};
	static const float x[2] = {1, 1}, want[2] = {3 + 21 - 1, 6 + 28 + 1};

	opened(&f);
	ck_assert_str_eq(rt_model_input(model, 0)->name, "i");
	ck_assert_str_eq(rt_model_output(model, 0)->name, "d/d_1");
	/* 1 + 3 − 1 = 3, 2 + 4 + 1 = 7; 3 + 21 − 1, 6 + 28 + 1 */
	runs(2, (int64_t[]){1, 2}, x, 2, (int64_t[]){1, 2}, want);
}
END_TEST

/* Keras 3 writes the same with other words. */
static const char keras3[] =
    KERAS("{'class_name':'InputLayer','name':'i','config':{'batch_shape':[null,2],'name':'i'},"
	  "'inbound_nodes':[]},"
	  "{'class_name':'Dense','name':'d','config':{'name':'d','units':2,'activation':"
	  "{'class_name':'function','config':'linear'},"
	  "'dtype':{'class_name':'DTypePolicy','config':{'name':'float32'}}},"
	  "'inbound_nodes':[{'args':[{'class_name':'__keras_tensor__','config':"
	  "{'keras_history':['i',0,0]}}],'kwargs':{}}]}",
	  "'input_layers':['i',0,0],'output_layers':['d',0,0]");

START_TEST(the_words_of_keras_3)
{
	struct files f = {keras3, {{dense_weights, 24}, {second, 5}}, NULL};
	static const float x[2] = {1, -1}, want[2] = {-3, -1};

	opened(&f);
	runs(2, (int64_t[]){1, 2}, x, 2, (int64_t[]){1, 2}, want);
}
END_TEST

START_TEST(layers_of_ones_own_are_named)
{
	static const char json[] = KERAS(
	    "{'class_name':'InputLayer','name':'i','config':{'batch_input_shape':[null,2],"
	    "'name':'i'},'inbound_nodes':[]},"
	    "{'class_name':'MyLayer','name':'m1','config':{},'inbound_nodes':[[['i',0,0,{}]]]},"
	    "{'class_name':'Lambda','name':'m2','config':{},'inbound_nodes':[[['i',0,0,{}]]]}",
	    "'input_layers':[['i',0,0]],'output_layers':[['m1',0,0],['m2',0,0]]");
	struct files f = {json, {{dense_weights, 24}, {second, 5}}, NULL};

	refused(&f, RT_UNSUPPORTED, "MyLayer (keras");
	ck_assert_ptr_nonnull(strstr(err.text, "Lambda (keras"));
	ck_assert_ptr_nonnull(strstr(err.text, "'m1'"));
}
END_TEST

START_TEST(layers_without_their_weights)
{
	static const char json[] = KERAS(
	    "{'class_name':'InputLayer','name':'i','config':{'batch_input_shape':[null,2],"
	    "'name':'i'},'inbound_nodes':[]},"
	    "{'class_name':'Dense','name':'other','config':{},'inbound_nodes':[[['i',0,0,{}]]]}",
	    "'input_layers':[['i',0,0]],'output_layers':[['other',0,0]]");
	struct files f = {json, {{dense_weights, 24}, {second, 5}}, NULL};

	refused(&f, RT_MALFORMED, "'other': the weights have no 'kernel' of Dense");
}
END_TEST

Suite *check_runtime_tfjs(void)
{
	Suite *s = suite_create("runtime/tfjs");
	TCase *t = tcase_create("tfjs");

	tcase_add_checked_fixture(t, start, stop);
	tcase_add_test(t, quantised_weights);
	tcase_add_test(t, shards_that_are_too_short);
	tcase_add_loop_test(t, files_elsewhere_are_not_asked_for, 0, 6);
	tcase_add_test(t, weights_alone_are_not_run);
	tcase_add_test(t, everything_missing_at_once);
	tcase_add_loop_test(t, graphs_that_are_none, 0, 8);
	tcase_add_test(t, while_runs_its_functions);
	tcase_add_test(t, a_layer_that_is_called_twice);
	tcase_add_test(t, the_words_of_keras_3);
	tcase_add_test(t, layers_of_ones_own_are_named);
	tcase_add_test(t, layers_without_their_weights);
	suite_add_tcase(s, t);
	return s;
}
