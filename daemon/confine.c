/* SPDX-License-Identifier: MIT */
/*
 * confine.c — puts the layers on, in their order: no new privileges, files
 * (confine_paths.c), system calls (confine_calls.c).  Called by main.c once, before
 * there is a second thread.  Must never go on with less than the machine offers.
 */
#include <config.h>

#include "daemon/confine.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#include "daemon/confine_calls.h"
#include "daemon/confine_paths.h"
#include "daemon/log.h"
#include "daemon/settings.h"
#include "daemon/text.h"

static struct confine_state state; /* written once, before there are threads */

#ifdef LARDER_CONFINE

static int fail(const char *layer)
{
	log_error("confine", "layer=%s error=\"%s\"", layer, strerror(errno));
	return -1;
}

/* SQLite's large sorts: into the state folder, the only one that can be written. */
static void keep_scratch(const struct settings *s)
{
	char path[4200];

	if ((size_t)snprintf(path, sizeof(path), "%s/tmp", s->state_dir) < sizeof(path))
		(void)setenv("SQLITE_TMPDIR", path, 1);
}

int confine_enter(const struct settings *s)
{
	int rc;

	state.built = true;
	if (!s->confine) {
		log_warning("confine", "warning=\"switched off\"");
		return 0;
	}
	/* a rule needs the folder itself */
	if (mkdir(s->state_dir, 0700) != 0 && errno != EEXIST)
		return fail("state_dir");
	keep_scratch(s);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		return fail("no_new_privs");
	state.no_new_privs = true;
	if (confine_paths_load(s, &state.landlock) < 0)
		return fail("landlock");
	rc = confine_calls_load(s->offline);
	if (rc < 0)
		return fail("seccomp");
	state.seccomp = rc == 0;
	if (!state.seccomp || state.landlock == 0)
		log_warning("confine", "warning=\"not all layers could be put on; larderd "
				       "--check-confinement says which\"");
	log_info("confined", "no_new_privs=yes seccomp=%s landlock=%d offline=%s",
		 state.seccomp ? "yes" : "no", state.landlock, s->offline ? "yes" : "no");
	return 0;
}

#else

int confine_enter(const struct settings *s)
{
	if (s->confine)
		log_info("confine", "built=no");
	return 0;
}

#endif

void confine_state_get(struct confine_state *out)
{
	*out = state;
}

void confine_json(struct text *t)
{
	text_printf(t, "{\"built\":%s,\"no_new_privs\":%s,\"seccomp\":%s,\"landlock\":%d}",
		    state.built ? "true" : "false", state.no_new_privs ? "true" : "false",
		    state.seccomp ? "true" : "false", state.landlock);
}
