/* SPDX-License-Identifier: MIT */
/*
 * handle_origins.c — the administration of web origins: who may, and what.
 */
#include <config.h>

#include <stdlib.h>
#include <string.h>

#include "daemon/origins.h"
#include "daemon/origins_rule.h"
#include "daemon/request.h"
#include "daemon/text.h"

struct origin_list {
	struct text t;
	unsigned count;
};

/* `a b` as `"a","b"`. */
static void words_json(struct text *t, const char *words)
{
	char word[sizeof(((struct origins_rule *)0)->models)];
	unsigned count = 0;

	for (size_t n; (n = strcspn(words, " ")) > 0; words += n + (words[n] == ' ')) {
		memcpy(word, words, n);
		word[n] = '\0';
		text_add(t, count++ == 0 ? "" : ",");
		text_json(t, word);
	}
}

static void origin_json(void *arg, const struct origins_rule *r, bool fixed)
{
	struct origin_list *list = arg;
	struct text *t = &list->t;

	text_add(t, list->count++ == 0 ? "{\"origin\":" : ",\n{\"origin\":");
	text_json(t, r->origin);
	text_printf(t, ",\"configured\":%s,\"rights\":[%s%s%s],\"models\":[",
		    fixed ? "true" : "false", r->serve ? "\"serve\"" : "",
		    r->serve && r->infer ? "," : "", r->infer ? "\"infer\"" : "");
	words_json(t, r->models);
	text_printf(t, "],\"rate\":%u,\"requests\":%u,\"token\":%s}", r->rate, r->requests,
		    r->has_token ? "true" : "false");
}

static int reply_origins(struct request *rq)
{
	struct origin_list list = {.count = 0};

	text_init(&list.t, &rq->arena);
	text_add(&list.t, "{\"origins\":[");
	origins_each(rq->ctx->origins, origin_json, &list);
	text_add(&list.t, "]}\n");
	return reply_text(rq, 200, "application/json", &list.t);
}

int handle_origins_list(struct request *rq, struct fault *fault)
{
	(void)fault;
	return reply_origins(rq);
}

/* {"origin":"https://…"}, or ?origin= */
static const char *origin_of(struct request *rq)
{
	if (rq->json != NULL)
		return json_string_value(json_object_get(rq->json, "origin"));
	return request_query(rq, "origin");
}

/* A value as origins_rule_set wants it: text, a number, or words; NULL when it is none of these. */
static const char *value_text(struct request *rq, const json_t *v)
{
	struct text t;
	const json_t *word;
	size_t i;

	if (json_is_string(v))
		return json_string_value(v);
	text_init(&t, &rq->arena);
	if (json_is_integer(v)) {
		text_printf(&t, "%" JSON_INTEGER_FORMAT, json_integer_value(v));
	} else if (json_is_array(v)) {
		json_array_foreach(v, i, word)
		{
			if (!json_is_string(word))
				return NULL;
			text_add(&t, i == 0 ? "" : " ");
			text_add(&t, json_string_value(word));
		}
	} else {
		return NULL;
	}
	return t.size == 0 ? "" : arena_copy(&rq->arena, t.data, t.size);
}

static int fill_rule(struct request *rq, struct origins_rule *rule, struct fault *fault)
{
	const char *key;
	json_t *v;

	if (rq->json == NULL)
		return 0;
	json_object_foreach(rq->json, key, v)
	{
		const char *value = value_text(rq, v), *problem = NULL;

		if (strcmp(key, "origin") == 0)
			continue;
		/* a file of the machine is for the configuration to name */
		if (strcmp(key, "token_file") == 0)
			return fault_set(fault, 400, "token_file: send the token itself");
		if (value == NULL)
			problem = "is neither text, number nor list";
		else
			problem = origins_rule_set(rule, key, value);
		if (problem != NULL)
			return fault_set(fault, 400, "%.64s: the value %s", key, problem);
	}
	return 0;
}

int handle_origins_allow(struct request *rq, struct fault *fault)
{
	const char *origin = origin_of(rq);
	struct origins_rule rule;

	if (origin == NULL)
		return fault_set(fault, 400, "{\"origin\":\"https://…\"} is needed");
	if (!origins_rule_init(&rule, origin))
		return fault_set(fault, 400, ORIGINS_FORM);
	if (fill_rule(rq, &rule, fault) != 0 || origins_add(rq->ctx->origins, &rule, fault) != 0)
		return -1;
	return reply_origins(rq);
}

int handle_origins_disallow(struct request *rq, struct fault *fault)
{
	const char *origin = origin_of(rq);

	if (origin == NULL)
		return fault_set(fault, 400, "{\"origin\":\"https://…\"} is needed");
	if (origins_remove(rq->ctx->origins, origin, fault) != 0)
		return -1;
	return reply_origins(rq);
}
