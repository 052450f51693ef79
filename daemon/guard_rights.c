/* SPDX-License-Identifier: MIT */
/*
 * guard_rights.c — what an allowed origin may do: rights, models, its own token.  Called by
 * admit.c once the route is known.  Must never let a route that it does not know to be
 * harmless pass for an origin that is held to some models.
 */
#include <config.h>

#include <string.h>
#include <strings.h>

#include "daemon/fault.h"
#include "daemon/guard.h"
#include "daemon/origins.h"
#include "daemon/origins_rule.h"
#include "daemon/request.h"

/* Known to tell of no model. */
static bool nameless(const struct route *route)
{
	return (route->guards & (NAMELESS | PAGE | PUBLIC_CODE | PUBLIC_PROBE)) != 0 ||
	       strncmp(route->pattern, "/demo/", 6) == 0;
}

static int refuse(const struct origins_rule *r, const char *may_not, const char *how,
		  struct fault *fault)
{
	return fault_set(fault, 403,
			 "the origin %s may not %s; the owner of this machine allows it with: "
			 "larderctl origins add %s %s",
			 r->origin, may_not, r->origin, how);
}

static int check_token(const struct guard_view *v, const struct origins_rule *r,
		       struct fault *fault)
{
	const char *given = v->header[HEADER_AUTHORIZATION];

	if (!r->has_token)
		return 0;
	if (given == NULL || strncasecmp(given, "Bearer ", 7) != 0 ||
	    !origins_rule_token(r, given + 7))
		return fault_set(fault, 401, "pages of %s must send the token of their origin",
				 r->origin);
	return 0;
}

int guard_rights(const struct guard_view *v, const struct route *route, const char *const *part,
		 const char *origin, struct origins_rule *out, struct fault *fault)
{
	*out = (struct origins_rule){.serve = true, .infer = true};
	if (origin == NULL || route->plane == ADMIN || !origins_find(v->origins, origin, out))
		return 0;
	if ((route->guards & RUNS) != 0 && !out->infer)
		return refuse(out, "run models", "--rights serve,infer", fault);
	if ((route->guards & SERVES) != 0 && !out->serve)
		return refuse(out, "read files of models", "--rights serve,infer", fault);
	if (out->models[0] != '\0' && part[PART_MODEL] != NULL &&
	    !origins_rule_model(out, part[PART_MODEL]))
		return refuse(out, "use this model", "--models PATTERN", fault);
	if (out->models[0] != '\0' && part[PART_MODEL] == NULL && !nameless(route))
		return refuse(out, "ask about all models", "--models '*'", fault);
	return (route->guards & (PUBLIC_CODE | PUBLIC_PROBE)) != 0 ? 0 : check_token(v, out, fault);
}
