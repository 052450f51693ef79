/* SPDX-License-Identifier: MIT */
/*
 * Strings, regular expressions and ai.onnx.ml (ops/strings.c, regex.c, tfidf.c,
 * ml_*.c), by hand.
 */
#include <config.h>

#include <stdlib.h>
#include <string.h>

#include "runtime/ops/regex.h"
#include "tests/lib/op_case.h"
#include "tests/runtime/suites.h"

static const struct op_case cases[] = {
    {"StringConcat", 20, "", "str[2,1] a b; str[2] x ''", "str[2,2] ax a bx b"},
    {"StringSplit", 20, "delimiter='.'", "str[2] a.b..c ''",
     "str[2,4] a b '' c '' '' '' ''; i64[2] 4 0"},
    {"StringSplit", 20, "delimiter='.' maxsplit=1", "str[1] a.b.c", "str[1,2] a b.c; i64[1] 2"},
    {"StringNormalizer", 10, "case_change_action='UPPER'", "str[2] ab Éé", "str[2] AB ÉÉ"},
    {"StringNormalizer", 10, "case_change_action='LOWER' is_case_sensitive=1", "str[1,2] AÄ ЯZ",
     "str[1,2] aä яz"},
    {"StringNormalizer", 10, "", "f32[1] 1", "refused: float32"},
    {"RegexFullMatch", 20, "pattern='[a-c]+(x|y){2}'", "str[3] abxy abx cyy", "bool[3] 1 0 1"},
    {"RegexFullMatch", 20, "pattern='a(?=b)'", "str[1] a", "refused: pattern"},
    {"TfIdfVectorizer", 9,
     "mode='TF' min_gram_length=1 max_gram_length=2 max_skip_count=0 ngram_counts=[0,2] "
     "ngram_indexes=[0,1,2] pool_int64s=[5,6,5,6]",
     "i64[4] 5 6 5 5", "f32[3] 3 1 1"},
    {"TfIdfVectorizer", 9,
     "mode='TFIDF' min_gram_length=2 max_gram_length=2 max_skip_count=1 ngram_counts=[0,0] "
     "ngram_indexes=[0] weights=[0.5] pool_int64s=[5,7]",
     "i32[2,3] 5 6 7 5 7 7", "f32[2,1] 0.5 1"},
    {"TfIdfVectorizer", 9,
     "mode='TF' min_gram_length=1 max_gram_length=1 max_skip_count=0 ngram_counts=[0] "
     "ngram_indexes=[0] pool_int64s=[5,7]",
     "i64[1] 5", "refused: indexes"},
    {"ml:Binarizer", 1, "threshold=1.5", "f32[3] 1 1.5 2", "f32[3] 0 0 1"},
    {"ml:Scaler", 1, "offset=[1.0,2.0] scale=[2.0]", "f32[1,2] 3 3", "f32[1,2] 4 2"},
    {"ml:Normalizer", 1, "norm='L2'", "f32[1,2] 3 4", "f32[1,2] 0.6 0.8"},
    {"ml:Imputer", 1, "imputed_value_floats=[9.0] replaced_value_float=2.0", "f32[1,2] 1 2",
     "f32[1,2] 1 9"},
    {"ml:LabelEncoder", 2, "keys_int64s=[1,2] values_floats=[0.5,1.5] default_float=7.0",
     "i64[3] 2 1 3", "f32[3] 1.5 0.5 7"},
    {"ml:LabelEncoder", 2, "keys_int64s=[1,2] values_floats=[0.5]", "i64[1] 2", "refused: keys"},
    {"ml:ArrayFeatureExtractor", 1, "", "f32[2,3] 1 2 3 4 5 6; i64[2] 2 0", "f32[2,2] 3 1 6 4"},
    {"ml:ArrayFeatureExtractor", 1, "", "f32[1,1] 1; i64[1] 1", "refused: column 1"},
    {"ml:OneHotEncoder", 1, "cats_int64s=[3,5]", "i64[3] 5 3 4", "f32[3,2] 0 1 1 0 0 0"},
    {"ml:LinearRegressor", 1, "coefficients=[1.0,2.0] intercepts=[10.0]", "f32[2,2] 1 1 2 3",
     "f32[2,1] 13 18"},
    {"ml:LinearClassifier", 1,
     "coefficients=[1.0,0.0,0.0,1.0,-1.0,-1.0] intercepts=[0.0,0.0,0.5] "
     "classlabels_ints=[7,8,9] post_transform='SOFTMAX'",
     "f32[2,2] 1 1 -1 0", "i64[2] 7 9; f32[2,3] ?"},
};

START_TEST(data_cases)
{
	op_case_check(&cases[_i]);
}
END_TEST

/* ---- the regular expressions themselves ---------------------------------------------------------
 */

static const struct {
	const char *pattern, *text;
	int matches; /* −1: the pattern is refused */
} expressions[] = {
    {"", "", 1},
    {"", "a", 0},
    {"abc", "abc", 1},
    {"abc", "abcd", 0},
    {"a|b|c", "c", 1},
    {"a|b|c", "ab", 0},
    {"(a|bc)*", "abcabc", 1},
    {"(a|bc)*", "abcb", 0},
    {"(a*)*", "aaaa", 1},
    {"(a+)+b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaac", 0},
    {"a{2}", "aa", 1},
    {"a{2}", "aaa", 0},
    {"a{2,3}", "aaa", 1},
    {"a{2,3}", "aaaa", 0},
    {"a{2,}", "aaaaa", 1},
    {"a{0,2}b", "b", 1},
    {"a{0,2}b", "aaab", 0},
    {"a{0}b", "b", 1},
    {"a{0}b", "ab", 0},
    {"(ab?){2}", "aba", 1},
    {"x(a|b)?y", "xy", 1},
    {"x(a|b)?y", "xby", 1},
    {"x|(a|b)+", "abab", 1},
    {"x|(a|b)+", "xa", 0},
    {"[^a-c]", "d", 1},
    {"[^a-c]", "b", 0},
    {"[]a]", "]", 1},
    {"[a\\]]", "]", 1},
    {"\\d+\\.\\w\\s\\S", "42.x y", 1},
    {"\\D", "4", 0},
    {".", "\xc3\xa9", 1},
    {"..", "\xc3\xa9", 0},
    {"\xc3\xa9+", "\xc3\xa9\xc3\xa9", 1},
    {"^a$", "a", 1},
    {"a^b", "ab", 0},
    {"(?:a|b)c", "bc", 1},
    {"\\bfoo\\b bar", "foo bar", 1},
    {"fo\\bo", "foo", 0},
    {"fo\\Bo", "foo", 1},
    {"a*?b", "aab", 1},
    {"(", "", -1},
    {")", "", -1},
    {"a**", "", -1},
    {"*a", "", -1},
    {"[a", "", -1},
    {"a{3,2}", "", -1},
    {"a{99999}", "", -1},
    {"(((a{999}){999}){999})", "", -1},
    {"(a)\\1", "", -1},
    {"\\p", "", -1},
};

START_TEST(regular_expressions)
{
	struct rt_str pattern = {expressions[_i].pattern, strlen(expressions[_i].pattern)},
		      text = {expressions[_i].text, strlen(expressions[_i].text)};
	void *room = calloc(rt_regex_size(pattern), 1);
	struct rt_regex *re;
	int got;

	ck_assert_ptr_nonnull(room);
	re = rt_regex_compile(pattern, room);
	got = re == NULL ? -1 : rt_regex_full(re, text);
	ck_assert_msg(got == expressions[_i].matches, "'%s' on '%s' is %d", pattern.bytes,
		      text.bytes, got);
	free(room);
}
END_TEST

Suite *check_runtime_ops_data(void)
{
	Suite *s = suite_create("runtime/ops/data");
	TCase *t = tcase_create("data");

	tcase_add_loop_test(t, data_cases, 0, sizeof(cases) / sizeof(cases[0]));
	tcase_add_loop_test(t, regular_expressions, 0,
			    sizeof(expressions) / sizeof(expressions[0]));
	suite_add_tcase(s, t);
	return s;
}
