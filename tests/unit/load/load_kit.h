/* SPDX-License-Identifier: Apache-2.0 */
/* Scenario files made by hand, and a small HTTP server with faults, for tests of runner/load. */
#ifndef FG_TESTS_LOAD_KIT_H
#define FG_TESTS_LOAD_KIT_H

#include "runner/load/load.h"

enum { LOAD_STEPS_MAX = 4, LOAD_SCENARIOS_MAX = 2 };

struct load_file {
	struct fg_scenario_file file;
	struct fg_scenario scenarios[LOAD_SCENARIOS_MAX];
	struct fg_step steps[LOAD_SCENARIOS_MAX][LOAD_STEPS_MAX];
	struct fg_template_part parts[32];
	size_t part_count;
	char prefixes[32][32]; /* of texts before a "#" */
	struct fg_check_spec check;
	struct fg_condition expect;
	struct fg_header header;
	char base_url[64];
	char names[LOAD_SCENARIOS_MAX][16];
};

/** Empty file without scenarios. */
void load_file_init(struct load_file *lf);
struct fg_scenario *load_file_arrival(struct load_file *lf, uint64_t rate, uint64_t duration_ns,
				      uint64_t vus, uint64_t vus_max);
struct fg_scenario *load_file_vus(struct load_file *lf, uint64_t vus, uint64_t duration_ns);
/** Adds a step to the latest scenario. `url` may end in "#vu", "#iteration" or "#n" for the
 *  template parts of the same meaning. */
struct fg_step_http *load_file_request(struct load_file *lf, const char *method, const char *url);
struct fg_step_think *load_file_think(struct load_file *lf, uint64_t min_ns, uint64_t max_ns);
void load_template(struct load_file *lf, struct fg_template *out, const char *text);

#define OK_ANSWER "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"

enum server_mode {
	SERVER_OK,
	SERVER_STATUS_500,
	SERVER_GARBAGE,    /* bytes that are not HTTP */
	SERVER_HANG,       /* never answers */
	SERVER_RESET,      /* resets after the request */
	SERVER_PARTIAL,    /* closes in the middle of the body */
	SERVER_EMPTY,      /* closes without a byte */
	SERVER_REDIRECT,   /* 302 to /target, which is 200 */
	SERVER_LOOP,       /* 302 to itself */
	SERVER_CLOSE,      /* 200 with Connection: close */
	SERVER_IDLE_CLOSE, /* 200 keep-alive, then closes at once anyway */
	SERVER_HEADERS,    /* endless headers */
	SERVER_CHUNKS,     /* 200 with garbage where a chunk's size should be */
	SERVER_ECHO,       /* 200 only if the request holds `expect` */
	SERVER_DELAY,      /* 200 after delay_ms */
	SERVER_COOKIE,     /* sets a cookie; 500 if a request carries one on a "/first" */
};

struct server {
	enum server_mode mode;
	unsigned delay_ms;
	const char *expect;
	uint16_t port;
	uint64_t connections, requests; /* read after server_stop() */
	char first_request[4096];
	/* -- */
	int fd, stop_fd;
	unsigned long thread;
};

void server_start(struct server *server, enum server_mode mode);
void server_stop(struct server *server);

#endif
