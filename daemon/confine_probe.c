/* SPDX-License-Identifier: MIT */
/*
 * confine_probe.c — `larderd --check-confinement`: the forbidden tried for good, each
 * thing in a child that confined itself as the daemon does.  Called by main.c
 * instead of serving, and by tests; must never try anything outside of a child.
 */
#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/confine.h"
#include "daemon/log.h"
#include "daemon/settings.h"

/* What a child found out. */
enum outcome { WORKS = 0, REFUSED = 1, UNCLEAR = 2 };

/* Made before the confinement, for what is tried in it. */
struct scene {
	const struct settings *settings;
	char inside[4200], moved[4200], outside[4200];
	int program; /* a program, open */
	int tcp;     /* a socket that was there before */
	struct sockaddr_in peer;
};

typedef enum outcome try_f(const struct scene *s);

/* ${rc} of a call: refused when it failed in one of the ways that the layers fail. */
static enum outcome outcome(long rc)
{
	if (rc >= 0)
		return WORKS;
	return errno == EPERM || errno == EACCES || errno == ENOSYS || errno == EXDEV ? REFUSED
										      : UNCLEAR;
}

/* ---- programs ------------------------------------------------------------------- */

static enum outcome try_exec(const struct scene *s)
{
	char *const argv[] = {(char *)(uintptr_t) "true", NULL};

	(void)s;
	return outcome(execve("/bin/true", argv, NULL));
}

static enum outcome try_exec_open(const struct scene *s)
{
	char *const argv[] = {(char *)(uintptr_t) "true", NULL};

	return outcome(fexecve(s->program, argv, argv + 1));
}

static enum outcome try_fork(const struct scene *s)
{
	pid_t pid = fork();

	(void)s;
	if (pid == 0)
		_exit(0);
	return outcome(pid);
}

static enum outcome try_privileges(const struct scene *s)
{
	(void)s;
	return prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 ? REFUSED : WORKS;
}

static enum outcome try_setuid(const struct scene *s)
{
	(void)s;
	return outcome(setuid(65534));
}

static enum outcome try_write_code(const struct scene *s)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS,
		       -1, 0);

	(void)s;
	/* cppcheck-suppress memleak ; the process ends with this */
	return outcome(p == MAP_FAILED ? -1 : 0);
}

static enum outcome try_bless_code(const struct scene *s)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)s;
	return p == MAP_FAILED ? UNCLEAR : outcome(mprotect(p, 4096, PROT_READ | PROT_EXEC));
}

/* ---- other processes, the kernel -------------------------------------------------- */

static enum outcome try_ptrace(const struct scene *s)
{
	(void)s;
	return outcome(ptrace(PTRACE_TRACEME, 0, NULL, NULL));
}

static enum outcome try_read_process(const struct scene *s)
{
	(void)s;
	return outcome(syscall(SYS_process_vm_readv, getppid(), NULL, 0, NULL, 0, 0));
}

static enum outcome try_signal(const struct scene *s)
{
	(void)s;
	return outcome(kill(getppid(), 0));
}

/* Calls that fail in a way of their own when the kernel looks at their arguments. */
#define TRY_CALL(name, ...)                                                                        \
	static enum outcome try_##name(const struct scene *s)                                      \
	{                                                                                          \
		(void)s;                                                                           \
		return outcome(syscall(SYS_##name, __VA_ARGS__));                                  \
	}
TRY_CALL(unshare, 0)
TRY_CALL(mount, "none", "/proc", "no-such-type", 0, NULL)
TRY_CALL(chroot, "/")
TRY_CALL(bpf, 0, NULL, 0)
TRY_CALL(perf_event_open, NULL, 0, -1, -1, 0)
TRY_CALL(userfaultfd, 0)
TRY_CALL(io_uring_setup, 1, NULL)
TRY_CALL(keyctl, 0, -3, 0, 0, 0)
TRY_CALL(open_by_handle_at, -1, NULL, 0)
TRY_CALL(memfd_create, "x", 0)
TRY_CALL(personality, UINT64_C(0xffffffff))
TRY_CALL(pidfd_open, 1, 0)

static enum outcome try_raise_limit(const struct scene *s)
{
	const uint64_t limit[2] = {64, 64};

	(void)s;
	return outcome(syscall(SYS_prlimit64, 0, 7, limit, NULL));
}

/* ---- files -------------------------------------------------------------------------- */

static enum outcome create(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	return outcome(fd < 0 ? -1 : write(fd, "x", 1));
}

static enum outcome try_create_outside(const struct scene *s)
{
	return create(s->outside);
}

static enum outcome try_create_tmp(const struct scene *s)
{
	(void)s;
	return create("/tmp/larder-confinement");
}

static enum outcome try_change_password(const struct scene *s)
{
	(void)s;
	return outcome(open("/etc/passwd", O_WRONLY | O_APPEND | O_CLOEXEC));
}

static enum outcome try_read_elsewhere(const struct scene *s)
{
	(void)s;
	return outcome(open("/var/lib", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

static enum outcome try_remove_outside(const struct scene *s)
{
	(void)s;
	return outcome(rmdir("/usr"));
}

static enum outcome try_link_inside(const struct scene *s)
{
	return outcome(symlink("/etc", s->moved));
}

static enum outcome try_inside(const struct scene *s)
{
	enum outcome made = create(s->inside);

	if (made != WORKS || rename(s->inside, s->moved) != 0)
		return outcome(-1);
	return outcome(unlink(s->moved));
}

static enum outcome try_read_hosts(const struct scene *s)
{
	(void)s;
	return outcome(open("/etc/passwd", O_RDONLY | O_CLOEXEC));
}

/* ---- sockets ------------------------------------------------------------------------- */

#define TRY_SOCKET(name, ...)                                                                      \
	static enum outcome try_##name(const struct scene *s)                                      \
	{                                                                                          \
		(void)s;                                                                           \
		return outcome(socket(__VA_ARGS__));                                               \
	}
TRY_SOCKET(netlink, AF_NETLINK, SOCK_RAW, 0)
TRY_SOCKET(packet, AF_PACKET, SOCK_RAW, 0)
TRY_SOCKET(vsock, AF_VSOCK, SOCK_STREAM, 0)
TRY_SOCKET(alg, AF_ALG, SOCK_SEQPACKET, 0)
TRY_SOCKET(local, AF_UNIX, SOCK_DGRAM, 0)
TRY_SOCKET(tcp, AF_INET, SOCK_STREAM, 0)
TRY_SOCKET(udp, AF_INET6, SOCK_DGRAM, 0)

static enum outcome try_bind(const struct scene *s)
{
	struct sockaddr_in any = {.sin_family = AF_INET};

	return outcome(bind(s->tcp, (const struct sockaddr *)&any, sizeof(any)));
}

static enum outcome try_listen(const struct scene *s)
{
	return outcome(listen(s->tcp, 1));
}

/* With a socket from before: refused by nobody listening is not refused by us. */
static enum outcome try_connect(const struct scene *s)
{
	int rc = connect(s->tcp, (const struct sockaddr *)&s->peer, sizeof(s->peer));

	return rc != 0 && errno == ECONNREFUSED ? WORKS : outcome(rc);
}

static void *nothing(void *arg)
{
	return arg;
}

static enum outcome try_thread(const struct scene *s)
{
	pthread_t thread;
	int rc = pthread_create(&thread, NULL, nothing, NULL);

	(void)s;
	if (rc == 0)
		rc = pthread_join(thread, NULL);
	errno = rc;
	return outcome(rc == 0 ? 0 : -1);
}

/* ---- the list -------------------------------------------------------------------------- */

/* Who refuses it: without that layer it is not asked for. */
enum layer { CALLS, PATHS, EITHER, OFFLINE_ONLY, NOBODY, NOBODY_ONLINE };

static const struct attempt {
	const char *what;
	try_f *run;
	enum layer layer;
} attempts[] = {
    {"run a program", try_exec, EITHER},
    {"run a program that is open", try_exec_open, EITHER},
    {"start a process", try_fork, CALLS},
    {"get new privileges", try_privileges, EITHER},
    {"become another user", try_setuid, CALLS},
    {"have memory that is written and run", try_write_code, CALLS},
    {"make memory that was written run", try_bless_code, CALLS},
    {"make a file that is memory only", try_memfd_create, CALLS},
    {"be traced", try_ptrace, CALLS},
    {"read another process", try_read_process, CALLS},
    {"signal another process", try_signal, EITHER},
    {"get a handle of another process", try_pidfd_open, CALLS},
    {"leave its namespaces", try_unshare, CALLS},
    {"mount", try_mount, EITHER},
    {"change its root", try_chroot, CALLS},
    {"load a BPF program", try_bpf, CALLS},
    {"open performance counters", try_perf_event_open, CALLS},
    {"handle page faults", try_userfaultfd, CALLS},
    {"set up io_uring", try_io_uring_setup, CALLS},
    {"use the keyrings", try_keyctl, CALLS},
    {"open files by handle", try_open_by_handle_at, CALLS},
    {"change its personality", try_personality, CALLS},
    {"change its limits", try_raise_limit, CALLS},
    {"create a file beside the state folder", try_create_outside, PATHS},
    {"create a file in /tmp", try_create_tmp, PATHS},
    {"write to /etc/passwd", try_change_password, PATHS},
    {"remove a folder outside", try_remove_outside, PATHS},
    {"read what is not a daemon's business", try_read_elsewhere, PATHS},
    {"make a symbolic link in the state folder", try_link_inside, EITHER},
    {"open a netlink socket", try_netlink, CALLS},
    {"open a packet socket", try_packet, CALLS},
    {"open a vsock", try_vsock, CALLS},
    {"open a socket of the kernel's ciphers", try_alg, CALLS},
    {"bind a socket", try_bind, CALLS},
    {"listen on a socket", try_listen, CALLS},
    {"offline: open a TCP socket", try_tcp, OFFLINE_ONLY},
    {"offline: open a UDP socket", try_udp, OFFLINE_ONLY},
    {"offline: connect a socket from before", try_connect, OFFLINE_ONLY},
    {"write, rename, remove in the state folder", try_inside, NOBODY},
    {"read the system's configuration", try_read_hosts, NOBODY},
    {"open a unix socket", try_local, NOBODY},
    {"start a thread", try_thread, NOBODY},
    {"open a TCP socket", try_tcp, NOBODY_ONLINE},
    {"open a UDP socket", try_udp, NOBODY_ONLINE},
    {"connect", try_connect, NOBODY_ONLINE},
};

#define ATTEMPTS (sizeof(attempts) / sizeof(attempts[0]))

/* In the child: confine, then try.  Its exit status is the outcome. */
static void child(const struct scene *s, const struct attempt *a)
{
	log_level_set(LOG_LEVEL_ERROR);
	if (confine_enter(s->settings) != 0)
		_exit(UNCLEAR);
	_exit((int)a->run(s));
}

static int outcome_of(const struct scene *s, const struct attempt *a)
{
	int status;
	pid_t pid = fork();

	if (pid == 0)
		child(s, a);
	if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		return UNCLEAR;
	return WEXITSTATUS(status);
}

/* What is in force in a child: fork and ask. */
static struct confine_state layers(const struct settings *settings)
{
	struct confine_state state = {0};
	int ends[2], status;
	pid_t pid;

	if (pipe(ends) != 0)
		return state;
	pid = fork();
	if (pid == 0) {
		log_level_set(LOG_LEVEL_ERROR);
		if (confine_enter(settings) == 0)
			confine_state_get(&state);
		_exit(write(ends[1], &state, sizeof(state)) < 0 ? 1 : 0);
	}
	(void)close(ends[1]);
	if (pid < 0 || read(ends[0], &state, sizeof(state)) != (ssize_t)sizeof(state))
		state = (struct confine_state){0};
	(void)close(ends[0]);
	if (pid > 0)
		(void)waitpid(pid, &status, 0);
	return state;
}

/* Whether anybody is there to refuse it, and what must come out. */
static bool expected(const struct attempt *a, const struct confine_state *l, bool offline,
		     enum outcome *ret)
{
	*ret = a->layer == NOBODY || a->layer == NOBODY_ONLINE ? WORKS : REFUSED;
	switch (a->layer) {
	case CALLS:
		return l->seccomp;
	case PATHS:
		return l->landlock > 0;
	case EITHER:
		return l->seccomp || l->landlock > 0;
	case OFFLINE_ONLY:
		return offline && l->seccomp;
	case NOBODY_ONLINE:
		return !offline;
	case NOBODY:
		break;
	}
	return true;
}

static void set_scene(struct scene *s, const struct settings *settings)
{
	const char *dir = settings->state_dir;

	*s = (struct scene){.settings = settings};
	(void)mkdir(dir, 0700); /* builds that are not confined do not make it */
	(void)snprintf(s->inside, sizeof(s->inside), "%s/.confinement", dir);
	(void)snprintf(s->moved, sizeof(s->moved), "%s/.confinement-moved", dir);
	(void)snprintf(s->outside, sizeof(s->outside), "%s/../.larder-confinement", dir);
	s->program = open("/bin/true", O_RDONLY | O_CLOEXEC);
	s->tcp = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	/* the discard port: nobody listens there */
	s->peer = (struct sockaddr_in){
	    .sin_family = AF_INET, .sin_port = htons(9), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

unsigned confine_probe(const struct settings *settings, FILE *out)
{
	struct confine_state l = layers(settings);
	unsigned wrong = 0, tried = 0;
	struct scene scene;

	set_scene(&scene, settings);
	(void)fprintf(out, "built=%s no_new_privs=%s seccomp=%s landlock=%d offline=%s\n",
		      l.built ? "yes" : "no", l.no_new_privs ? "yes" : "no",
		      l.seccomp ? "yes" : "no", l.landlock, settings->offline ? "yes" : "no");
	for (size_t i = 0; i < ATTEMPTS; i++) {
		const struct attempt *a = &attempts[i];
		enum outcome want;
		int got;

		if (!expected(a, &l, settings->offline, &want))
			continue;
		(void)fflush(out);
		got = outcome_of(&scene, a);
		tried++;
		wrong += got != (int)want;
		(void)fprintf(out, "%s %s: %s\n", got == (int)want ? "ok" : "WRONG", a->what,
			      got == WORKS     ? "works"
			      : got == REFUSED ? "refused"
					       : "unclear");
	}
	(void)fprintf(out, "%u tried, %u wrong\n", tried, wrong);
	if (scene.program >= 0)
		(void)close(scene.program);
	if (scene.tcp >= 0)
		(void)close(scene.tcp);
	return wrong;
}
