/* SPDX-License-Identifier: MIT */
/*
 * runner.c — plays scenarios (NAME.http) against a real larderd.
 *
 *   http-runner LARDERD SCENARIO…
 *
 * Every scenario gets a daemon of its own: a fresh state folder, a port that the
 * kernel chooses, the sample model.  tests/http/README.md describes the lines.
 * Bytes go out raw, so a scenario can send what no client library would.  The
 * last line is `N passed, N failed, N skipped`, counted by `== case` lines; the
 * end of the daemon (SIGTERM, exit status 0) is one more case per scenario.
 */
#include <config.h>

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ANSWER_MAX ((size_t)8 << 20)
#define WAIT_MS 10000
#define ARGS_MAX 64

struct play {
	const char *larderd, *file;
	unsigned line;
	char dir[64]; /* state folder, socket, log */
	char *args[ARGS_MAX];
	unsigned arg_count;
	pid_t pid;
	unsigned port;
	int fd; /* connection; -1 = none */
	bool admin, reading;
	bool head[64]; /* of the requests that were sent: is it a HEAD? */
	unsigned sent, answered;
	char *in; /* [in_size], NUL behind it: what came and was not used yet */
	size_t in_size;
	/* the current answer */
	char *headers, *body; /* NULL = none */
	size_t body_size;
	unsigned status;
	char seen[8192]; /* values of `< new Name` */
	/* the current case */
	char name[200];
	bool open, failed;
};

static unsigned passed, failed;

/* ---- small things --------------------------------------------------------------- */

static void die(const char *what)
{
	fprintf(stderr, "http-runner: %s: %s\n", what, strerror(errno));
	exit(99);
}

static void end_case(struct play *p)
{
	if (!p->open)
		return;
	if (p->failed)
		failed++;
	else
		passed++;
	p->open = false;
}

static void begin_case(struct play *p, const char *name)
{
	end_case(p);
	snprintf(p->name, sizeof(p->name), "%s", name);
	p->open = true;
	p->failed = false;
}

static void fail(struct play *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void fail(struct play *p, const char *fmt, ...)
{
	const char *base = strrchr(p->file, '/');
	va_list ap;

	p->failed = true;
	if (!p->open)
		p->open = true;
	printf("FAIL %s:%u: %s: ", base == NULL ? p->file : base + 1, p->line, p->name);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
	fflush(stdout);
}

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void pause_ms(long ms)
{
	struct timespec t = {ms / 1000, ms % 1000 * 1000000};

	nanosleep(&t, NULL);
}

/* $DIR, $HOST, $PORT and \r \n \t \0 \xNN \\ in ${s}; the result is malloc()ed. */
static char *expand(const struct play *p, const char *s, size_t *ret_size)
{
	char *out = malloc(strlen(s) * 16 + 64), *to = out;

	if (out == NULL)
		die("malloc");
	while (*s != '\0') {
		if (strncmp(s, "$HOST", 5) == 0 || strncmp(s, "$PORT", 5) == 0) {
			to += snprintf(to, 32, s[1] == 'H' ? "127.0.0.1:%u" : "%u", p->port);
			s += 5;
		} else if (strncmp(s, "$DIR", 4) == 0) {
			to += snprintf(to, 64, "%s", p->dir);
			s += 4;
		} else if (*s == '\\' && s[1] == 'x' && isxdigit((unsigned char)s[2]) &&
			   isxdigit((unsigned char)s[3])) {
			char hex[3] = {s[2], s[3], 0};

			*to++ = (char)strtoul(hex, NULL, 16);
			s += 4;
		} else if (*s == '\\' && s[1] != '\0') {
			static const char from[] = "rnt0\\", into[] = "\r\n\t\0\\";
			const char *at = strchr(from, s[1]);

			*to++ = at == NULL ? s[1] : into[at - from];
			s += 2;
		} else {
			*to++ = *s++;
		}
	}
	*to = '\0';
	*ret_size = (size_t)(to - out);
	return out;
}

/* ---- the daemon -------------------------------------------------------------------- */

static void log_path(const struct play *p, char out[128])
{
	snprintf(out, 128, "%s/log", p->dir);
}

static void show_log(const struct play *p)
{
	char path[128], line[600];
	FILE *f;

	log_path(p, path);
	f = fopen(path, "re");
	while (f != NULL && fgets(line, sizeof(line), f) != NULL)
		printf("  | %s", line);
	if (f != NULL)
		fclose(f);
}

/* The port in `listening address=127.0.0.1:PORT`, once `ready` is there too; 0 = not yet. */
static unsigned port_in_log(const struct play *p)
{
	char path[128], line[600];
	unsigned port = 0;
	bool ready = false;
	FILE *f;

	log_path(p, path);
	f = fopen(path, "re");
	while (f != NULL && fgets(line, sizeof(line), f) != NULL) {
		const char *at = strstr(line, "listening address=127.0.0.1:");

		if (at != NULL)
			port = (unsigned)strtoul(strrchr(at, ':') + 1, NULL, 10);
		ready = ready || strstr(line, "info ready ") != NULL;
	}
	if (f != NULL)
		fclose(f);
	return ready ? port : 0;
}

static void exec_daemon(struct play *p)
{
	char *argv[ARGS_MAX + 16], state[128], admin[128], log[128], config[128];
	unsigned n = 0;
	int fd;

	snprintf(state, sizeof(state), "%s/state", p->dir);
	snprintf(admin, sizeof(admin), "%s/admin.sock", p->dir);
	snprintf(config, sizeof(config), "--config=%s/conf", p->dir);
	log_path(p, log);
	fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
	if (fd < 0 || dup2(fd, 1) < 0 || dup2(fd, 2) < 0)
		_exit(126);
	fd = open("/dev/null", O_RDONLY);
	if (fd < 0 || dup2(fd, 0) < 0)
		_exit(126);
	argv[n++] = strdup(p->larderd);
	argv[n++] = config;
	argv[n++] = strdup("--sample");
	argv[n++] = strdup("--listen=127.0.0.1:0");
	argv[n++] = strdup("--state-dir");
	argv[n++] = state;
	argv[n++] = strdup("--admin-socket");
	argv[n++] = admin;
	for (unsigned i = 0; i < p->arg_count; i++)
		argv[n++] = p->args[i];
	argv[n] = NULL;
	execv(p->larderd, argv);
	_exit(127);
}

static bool start(struct play *p)
{
	int64_t until = now_ms() + 3 * WAIT_MS;

	p->pid = fork();
	if (p->pid < 0)
		die("fork");
	if (p->pid == 0)
		exec_daemon(p);
	while (now_ms() < until) {
		p->port = port_in_log(p);
		if (p->port != 0)
			return true;
		if (waitpid(p->pid, NULL, WNOHANG) == p->pid) {
			p->pid = -1;
			break;
		}
		pause_ms(10);
	}
	fail(p, "the daemon does not start");
	show_log(p);
	return false;
}

static void stop(struct play *p)
{
	int64_t until = now_ms() + 3 * WAIT_MS;
	int status = 0;

	if (p->pid <= 0)
		return;
	kill(p->pid, SIGTERM);
	while (waitpid(p->pid, &status, WNOHANG) == 0) {
		if (now_ms() > until) {
			fail(p, "the daemon does not stop");
			kill(p->pid, SIGKILL);
			waitpid(p->pid, &status, 0);
			break;
		}
		pause_ms(5);
	}
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
		fail(p, "the daemon ended with status %#x", (unsigned)status);
		show_log(p);
	}
	p->pid = -1;
}

/* ---- the connection ------------------------------------------------------------------ */

static void hang_up(struct play *p)
{
	if (p->fd >= 0)
		close(p->fd);
	p->fd = -1;
	p->in_size = 0;
	p->in[0] = '\0';
	p->sent = p->answered = 0;
	p->status = 0;
}

static bool dial(struct play *p)
{
	struct sockaddr_in tcp = {.sin_family = AF_INET, .sin_port = htons((uint16_t)p->port)};
	struct sockaddr_un local = {.sun_family = AF_UNIX};
	int rc;

	if (p->fd >= 0)
		return true;
	tcp.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	snprintf(local.sun_path, sizeof(local.sun_path), "%s/admin.sock", p->dir);
	p->fd = socket(p->admin ? AF_UNIX : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (p->fd < 0)
		die("socket");
	rc = p->admin ? connect(p->fd, (const struct sockaddr *)&local, sizeof(local))
		      : connect(p->fd, (const struct sockaddr *)&tcp, sizeof(tcp));
	if (rc != 0) {
		fail(p, "connect: %s", strerror(errno));
		hang_up(p);
		return false;
	}
	return true;
}

static void send_bytes(struct play *p, const char *data, size_t size)
{
	if (!dial(p))
		return;
	while (size > 0) {
		ssize_t n = send(p->fd, data, size, MSG_NOSIGNAL);

		if (n < 0)
			return; /* the answer, or its absence, tells */
		data += n;
		size -= (size_t)n;
	}
}

/* More bytes into p->in: 1, 0 at the end of the stream, -1 after ${ms} of silence. */
static int receive(struct play *p, int ms)
{
	struct pollfd poll_fd = {.fd = p->fd, .events = POLLIN};
	ssize_t n;

	if (p->fd < 0)
		return 0;
	if (poll(&poll_fd, 1, ms) <= 0)
		return -1;
	if (p->in_size >= ANSWER_MAX)
		return -1;
	n = recv(p->fd, p->in + p->in_size, ANSWER_MAX - p->in_size, 0);
	if (n <= 0)
		return 0;
	p->in_size += (size_t)n;
	p->in[p->in_size] = '\0';
	return 1;
}

/* The value of a header of the current answer, in a buffer that the next call reuses. */
static const char *header(const struct play *p, const char *name, unsigned *count)
{
	static char value[4096];
	const char *s = p->headers;
	size_t size = strlen(name);
	bool found = false;

	*count = 0;
	while (s != NULL && *s != '\0') {
		size_t n = strcspn(s, "\r\n");

		if (strncasecmp(s, name, size) == 0 && s[size] == ':') {
			const char *v = s + size + 1;

			v += strspn(v, " ");
			(*count)++;
			if (!found)
				snprintf(value, sizeof(value), "%.*s", (int)(s + n - v), v);
			found = true;
		}
		s += n;
		s += strspn(s, "\r\n");
	}
	return found ? value : NULL;
}

static void drop_answer(struct play *p)
{
	free(p->headers);
	free(p->body);
	p->headers = p->body = NULL;
	p->body_size = 0;
	p->status = 0;
}

/* Use up the first ${size} bytes of p->in. */
static void consume(struct play *p, size_t size)
{
	p->in_size -= size;
	memmove(p->in, p->in + size, p->in_size + 1);
}

static void take_body(struct play *p)
{
	unsigned count;
	const char *length = header(p, "Content-Length", &count);
	bool head = p->answered < 64 && p->head[p->answered];
	size_t want = length == NULL ? 0 : (size_t)strtoull(length, NULL, 10);

	if (head || p->status == 204 || p->status == 304 || p->status < 200)
		want = 0;
	while (p->in_size < want) {
		if (receive(p, WAIT_MS) != 1) {
			fail(p, "the body has %zu of %zu bytes", p->in_size, want);
			break;
		}
	}
	if (want > p->in_size)
		want = p->in_size;
	p->body = malloc(want + 1);
	if (p->body == NULL)
		die("malloc");
	memcpy(p->body, p->in, want);
	p->body[want] = '\0';
	p->body_size = want;
	consume(p, want);
}

static void read_answer(struct play *p)
{
	char *end;

	drop_answer(p);
	while ((end = strstr(p->in, "\r\n\r\n")) == NULL) {
		int rc = receive(p, WAIT_MS);

		if (rc != 1) {
			fail(p,
			     rc == 0 ? "the connection was closed without an answer" : "no answer");
			return;
		}
	}
	if (strncmp(p->in, "HTTP/1.", 7) != 0) {
		fail(p, "this is not HTTP: %.40s", p->in);
		return;
	}
	p->status = (unsigned)strtoul(p->in + 9, NULL, 10);
	p->headers = strndup(p->in, (size_t)(end - p->in));
	consume(p, (size_t)(end - p->in) + 4);
	take_body(p);
	if (p->status >= 200)
		p->answered++;
}

/* ---- the lines of a scenario ------------------------------------------------------------ */

static const char *after(const char *line, const char *word)
{
	size_t n = strlen(word);

	return strncmp(line, word, n) == 0 ? line + n : NULL;
}

static void note_method(struct play *p, const char *line)
{
	static const char *const methods[] = {"GET ",    "HEAD ",    "POST ",  "PUT ",
					      "DELETE ", "OPTIONS ", "PATCH ", "TRACE "};

	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
		if (after(line, methods[i]) != NULL && strstr(line, " HTTP/") != NULL &&
		    p->sent < 64)
			p->head[p->sent++] = i == 1;
	}
}

/* `> text`: a line with CRLF; `>> text`: only these bytes; `>* N c`: c N times. */
static void do_send(struct play *p, const char *line)
{
	bool bare = line[1] == '>', many = line[1] == '*';
	const char *s = line + (bare || many ? 2 : 1);
	size_t size;
	char *bytes;

	if (*s == ' ')
		s++;
	if (many) {
		char *rest;

		size = (size_t)strtoull(s, &rest, 10);
		bytes = malloc(size + 1);
		if (bytes == NULL)
			die("malloc");
		memset(bytes, rest[0] == ' ' && rest[1] != '\0' ? rest[1] : '0', size);
	} else {
		note_method(p, s);
		bytes = expand(p, s, &size);
		bytes = realloc(bytes, size + 3);
		if (bytes == NULL)
			die("realloc");
		if (!bare) {
			bytes[size++] = '\r';
			bytes[size++] = '\n';
		}
	}
	send_bytes(p, bytes, size);
	free(bytes);
}

static void expect_closed(struct play *p)
{
	int rc = 1;

	while (rc == 1)
		rc = receive(p, WAIT_MS);
	if (rc != 0)
		fail(p, "the connection stays open");
	hang_up(p);
}

static void expect_body(struct play *p, const char *s, bool exact)
{
	size_t size;
	char *want = expand(p, s, &size);
	bool ok =
	    p->body != NULL && (exact ? p->body_size == size && memcmp(p->body, want, size) == 0
				      : memmem(p->body, p->body_size, want, size) != NULL);

	if (!ok)
		fail(p, "the body is %.300s, not %s", p->body == NULL ? "" : p->body, want);
	free(want);
}

/* `< Name: part` contains, `< Name= value` is, `< !Name` absent. */
static void expect_header(struct play *p, const char *s)
{
	size_t name_size = strcspn(s, ":="), size;
	char name[128], *want;
	const char *value;
	unsigned count;

	snprintf(name, sizeof(name), "%.*s", (int)(*s == '!' ? strlen(s + 1) : name_size),
		 *s == '!' ? s + 1 : s);
	value = header(p, name, &count);
	if (*s == '!') {
		if (value != NULL)
			fail(p, "%s: %s is there", name, value);
		return;
	}
	if (value == NULL || count > 1) {
		fail(p, "%s is there %u times", name, count);
		return;
	}
	want = expand(p, s + name_size + 1 + strspn(s + name_size + 1, " "), &size);
	if (s[name_size] == '=' ? strcmp(value, want) != 0 : strstr(value, want) == NULL)
		fail(p, "%s is `%s`, not `%s`", name, value, want);
	free(want);
}

/* `< new Name`: a value that no answer had before. */
static void expect_new(struct play *p, const char *name)
{
	unsigned count;
	const char *value = header(p, name, &count);
	size_t n = strlen(p->seen);

	if (value == NULL || count != 1)
		fail(p, "%s is there %u times", name, count);
	else if (strstr(p->seen, value) != NULL)
		fail(p, "%s: %s was there before", name, value);
	else
		snprintf(p->seen + n, sizeof(p->seen) - n, " %s", value);
}

static void do_expect(struct play *p, const char *s)
{
	const char *rest;

	if (isdigit((unsigned char)*s)) {
		read_answer(p);
		if (p->status != 0 && p->status != strtoul(s, NULL, 10))
			fail(p, "the status is %u, not %s: %.200s", p->status, s,
			     p->body == NULL ? "" : p->body);
	} else if (strcmp(s, "closed") == 0) {
		expect_closed(p);
	} else if (strcmp(s, "silence") == 0) {
		if (receive(p, 200) == 1)
			fail(p, "something came: %.60s", p->in);
	} else if ((rest = after(s, "new ")) != NULL) {
		expect_new(p, rest);
	} else if ((rest = after(s, "body: ")) != NULL) {
		expect_body(p, rest, false);
	} else if ((rest = after(s, "body= ")) != NULL) {
		expect_body(p, rest, true);
	} else if ((rest = after(s, "size= ")) != NULL) {
		if (p->body_size != strtoull(rest, NULL, 10))
			fail(p, "the body has %zu bytes, not %s", p->body_size, rest);
	} else {
		expect_header(p, s);
	}
}

/* A file of the scenario's folder; escapes in ${s} are expanded. */
static void write_file(const struct play *p, const char *name, const char *s)
{
	char path[128], *text;
	size_t size;
	FILE *f;

	snprintf(path, sizeof(path), "%s/%.40s", p->dir, name);
	f = fopen(path, "we");
	if (f == NULL)
		die(path);
	text = expand(p, s, &size);
	fwrite(text, 1, size, f);
	fclose(f);
	free(text);
}

static void do_command(struct play *p, const char *s)
{
	const char *rest;

	if ((rest = after(s, "== ")) != NULL) {
		begin_case(p, rest);
		hang_up(p);
		p->admin = false;
	} else if (strcmp(s, "connect") == 0 || strcmp(s, "connect admin") == 0) {
		hang_up(p);
		p->admin = s[7] != '\0';
		(void)dial(p);
	} else if (strcmp(s, "close") == 0) {
		hang_up(p);
	} else if (strcmp(s, "shutdown") == 0) {
		(void)shutdown(p->fd, SHUT_WR);
	} else if ((rest = after(s, "sleep ")) != NULL) {
		pause_ms(strtol(rest, NULL, 10));
	} else if (strcmp(s, "stop") == 0) {
		hang_up(p);
		stop(p);
	} else if (strcmp(s, "start") == 0) {
		char path[128];

		log_path(p, path);
		(void)unlink(path);
		(void)start(p);
	} else if ((rest = after(s, "config ")) != NULL) {
		write_file(p, "conf", rest);
	} else if (strcmp(s, "hup") == 0) {
		kill(p->pid, SIGHUP);
		pause_ms(300);
	} else if (strcmp(s, "term") == 0) {
		kill(p->pid, SIGTERM);
	} else {
		fail(p, "the runner does not know this line: %s", s);
	}
}

/* `daemon ARG…` before the first case. */
static void take_args(struct play *p, char *s)
{
	for (char *word = strtok_r(s, " ", &s); word != NULL; word = strtok_r(NULL, " ", &s)) {
		if (p->arg_count < ARGS_MAX)
			p->args[p->arg_count++] = strdup(word);
	}
}

static void remove_tree(const char *dir)
{
	pid_t pid = fork();

	if (pid == 0) {
		execlp("rm", "rm", "-rf", "--", dir, (char *)NULL);
		_exit(127);
	}
	if (pid > 0)
		waitpid(pid, NULL, 0);
}

static void play(struct play *p, FILE *f);

/* `include NAME`: the lines of another file of the same folder. */
static void include(struct play *p, const char *name)
{
	const char *file = p->file, *slash = strrchr(file, '/');
	unsigned line = p->line;
	char path[16384];
	FILE *f;

	snprintf(path, sizeof(path), "%.*s%s", slash == NULL ? 0 : (int)(slash - file) + 1, file,
		 name);
	f = fopen(path, "re");
	if (f == NULL)
		die(path);
	p->file = path;
	play(p, f);
	fclose(f);
	p->file = file;
	p->line = line;
}

static void play(struct play *p, FILE *f)
{
	char line[8192];

	for (p->line = 1; fgets(line, sizeof(line), f) != NULL; p->line++) {
		line[strcspn(line, "\n")] = '\0';
		if (line[0] == '\0' || line[0] == '#')
			continue;
		if (after(line, "daemon ") != NULL) {
			take_args(p, line + 7);
			continue;
		}
		if (p->pid == 0 && after(line, "token ") != NULL) {
			write_file(p, "token", line + 6);
			continue;
		}
		if (p->pid == 0 && after(line, "config ") != NULL) {
			write_file(p, "conf", line + 7);
			continue;
		}
		if (p->pid == 0) {
			begin_case(p, "start");
			if (!start(p))
				return;
			p->open = false;
		}
		if (line[0] == '>')
			do_send(p, line);
		else if (line[0] == '<')
			do_expect(p, line + 1 + (line[1] == ' '));
		else if (after(line, "include ") != NULL)
			include(p, line + 8);
		else
			do_command(p, line);
	}
}

static void scenario(const char *larderd, const char *file)
{
	struct play *p = calloc(1, sizeof(*p));
	const char *tmp = getenv("TMPDIR");
	FILE *f = fopen(file, "re");

	if (f == NULL)
		die(file);
	if (p == NULL || (p->in = malloc(ANSWER_MAX + 1)) == NULL)
		die("malloc");
	p->larderd = larderd;
	p->file = file;
	p->fd = -1;
	p->in[0] = '\0';
	snprintf(p->dir, sizeof(p->dir), "%.40s/http-XXXXXX", tmp == NULL ? "/tmp" : tmp);
	if (mkdtemp(p->dir) == NULL)
		die("mkdtemp");
	write_file(p, "conf", "");
	play(p, f);
	hang_up(p);
	begin_case(p, "stop");
	stop(p);
	end_case(p);
	drop_answer(p);
	remove_tree(p->dir);
	for (unsigned i = 0; i < p->arg_count; i++)
		free(p->args[i]);
	free(p->in);
	free(p);
	fclose(f);
}

int main(int argc, char **argv)
{
	if (argc < 3) {
		fputs("usage: http-runner LARDERD SCENARIO...\n", stderr);
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	for (int i = 2; i < argc; i++)
		scenario(argv[1], argv[i]);
	printf("%u passed, %u failed, 0 skipped\n", passed, failed);
	return failed == 0 ? 0 : 1;
}
