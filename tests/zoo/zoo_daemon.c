/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A target that behaves in one of the ways that make a process hard to own. usage: zoo_daemon HOW
 *
 *   daemon   forks a daemon twice (own session, re-parented), which forks a worker; stays itself
 *   stubborn ignores the stop signal and has a child that does as well
 *   polite   on SIGTERM prints "bye" and exits with status 0
 *   serve    answers every HTTP request on 127.0.0.1:$PORT with 204
 *   flood    writes to stdout as fast as it can
 *   die      prints two lines and exits with status 3
 *   crash    dies of SIGSEGV
 *   forget   closes nothing and lists its own open descriptors
 * Every process prints "pid N" first, then "up".
 */
#include <arpa/inet.h>
#include <dirent.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void say_pid(void)
{
	printf("pid %ld\n", (long)getpid());
	fflush(stdout);
}

static void say_up(void)
{
	printf("up\n");
	fflush(stdout);
}

static void wait_for_ever(void)
{
	for (;;)
		(void)pause();
}

static void become_daemon(void)
{
	if (fork() != 0)
		return;
	(void)setsid();
	if (fork() != 0)
		_exit(0);
	(void)signal(SIGTERM, SIG_IGN);
	(void)signal(SIGHUP, SIG_IGN);
	if (fork() == 0)
		(void)setsid();
	say_pid();
	wait_for_ever();
}

static void be_stubborn(void)
{
	(void)signal(SIGTERM, SIG_IGN);
	(void)signal(SIGINT, SIG_IGN);
	(void)fork();
	say_pid();
}

static void on_term(int number)
{
	(void)number;
	(void)!write(STDOUT_FILENO, "bye\n", 4);
	_exit(0);
}

static int serve(void)
{
	static const char answer[] = "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n";
	const char *port = getenv("PORT");
	struct sockaddr_in address = {.sin_family = AF_INET};
	int listener = socket(AF_INET, SOCK_STREAM, 0), on = 1;
	char request[4096];

	address.sin_port = htons((uint16_t)strtoul(port ? port : "0", NULL, 10));
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	(void)setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(listener, (struct sockaddr *)&address, sizeof(address)) || listen(listener, 16)) {
		perror("bind");
		return 1;
	}
	say_up();
	for (;;) {
		int client = accept(listener, NULL, NULL);

		if (client < 0)
			continue;
		(void)!read(client, request, sizeof(request));
		(void)!write(client, answer, sizeof(answer) - 1);
		(void)close(client);
	}
}

static void flood(void)
{
	static char line[65536];

	memset(line, 'x', sizeof(line));
	line[sizeof(line) - 1] = '\n';
	for (;;)
		(void)!write(STDOUT_FILENO, line, sizeof(line));
}

static void crash(void)
{
	(void)signal(SIGSEGV, SIG_DFL); /* a sanitizer would turn it into an exit */
	(void)raise(SIGSEGV);
}

static void list_descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");

	for (struct dirent *entry; dir && (entry = readdir(dir)) != NULL;)
		if (entry->d_name[0] != '.' && strtol(entry->d_name, NULL, 10) != dirfd(dir))
			printf("fd %s\n", entry->d_name);
	printf("ignored SIGTERM %d\n", signal(SIGTERM, SIG_DFL) == SIG_IGN);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	const char *how = argc > 1 ? argv[1] : "";

	say_pid();
	if (strcmp(how, "daemon") == 0)
		become_daemon();
	else if (strcmp(how, "stubborn") == 0)
		be_stubborn();
	else if (strcmp(how, "polite") == 0)
		(void)signal(SIGTERM, on_term);
	else if (strcmp(how, "serve") == 0)
		return serve();
	else if (strcmp(how, "flood") == 0)
		flood();
	else if (strcmp(how, "crash") == 0)
		crash();
	else if (strcmp(how, "forget") == 0)
		list_descriptors();
	if (strcmp(how, "die") == 0) {
		printf("config.yaml: no such file\n\033[31mgiving up\n");
		return 3;
	}
	say_up();
	wait_for_ever();
}
