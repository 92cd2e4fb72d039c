/* SPDX-License-Identifier: Apache-2.0 */
#include "profiler/client_labels.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <sys/mman.h>

#include "profiler/bpf/shared.h"
#include "profiler/client_builder.h"
#include "profiler/client_internal.h"
#include "profiler/wire.pb-c.h"

static_assert((int)FG_PROFILER_PORTS == (int)FG_LABEL_PORTS, "both sides mean the same array");

#define WORDS_BYTES sizeof(struct fg_bpf_labels)

void fg_client_labels_ask(struct fg_client_labels *labels, bool asked)
{
	labels->asked = asked;
	if (asked)
		(void)snprintf(labels->problem, sizeof(labels->problem), "%s",
			       "this source of samples has none");
}

static void map_words(struct fg_client_labels *labels, int fd)
{
	void *words = mmap(NULL, WORDS_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (words == MAP_FAILED) {
		(void)snprintf(labels->problem, sizeof(labels->problem),
			       "their map cannot be used here: %s", strerror(errno));
		return;
	}
	labels->words = words;
	labels->problem[0] = '\0';
}

/* First the answer to START, then at most the word that they were switched off. */
static bool is_due(const struct fg_client_labels *labels, const Fg__Wire__Labels *message)
{
	return labels->asked && !labels->off_ns && labels->answered == (message->off_ns != 0);
}

static void take(struct fg_client_labels *labels, const Fg__Wire__Labels *message, int fd)
{
	(void)snprintf(labels->problem, sizeof(labels->problem), "%.199s", message->problem);
	labels->off_ns = message->off_ns;
	labels->answered = true;
	if (fd >= 0 && !labels->words)
		map_words(labels, fd);
	else if (!labels->words && !labels->problem[0])
		(void)snprintf(labels->problem, sizeof(labels->problem),
			       "their map did not arrive");
}

int fg_client_labels_take(struct fg_client_labels *labels, const struct fg_wire_message *from,
			  struct fg_wire *wire, struct fg_err *err)
{
	Fg__Wire__Labels *message = fg__wire__labels__unpack(NULL, from->len, from->body);
	int fd = message && message->has_fd ? fg_wire_take_fd(wire) : -1;
	int rc = 0;

	if (message && is_due(labels, message))
		take(labels, message, fd);
	else
		rc = fg_err_set(err, FG_E_INVALID, "flamegate-profiler sent a malformed LABELS");
	if (fd >= 0)
		close(fd);
	if (message)
		fg__wire__labels__free_unpacked(message, NULL);
	return rc;
}

void fg_client_labels_done(struct fg_client_labels *labels)
{
	if (labels->words)
		(void)munmap(labels->words, WORDS_BYTES);
	labels->words = NULL;
}

void fg_client_labels_describe(const struct fg_client_labels *labels, uint64_t run_start_ns,
			       struct fg_profile_info *info)
{
	double off_s = labels->off_ns > run_start_ns
			       ? (double)(labels->off_ns - run_start_ns) / (double)FG_NS_PER_S
			       : 0;

	info->labels = labels->words != NULL;
	if (labels->off_ns)
		(void)snprintf(info->labels_problem, sizeof(info->labels_problem),
			       "switched off %.1f s into the run: %.150s", off_s, labels->problem);
	else
		(void)snprintf(info->labels_problem, sizeof(info->labels_problem), "%.199s",
			       labels->problem);
}

/* The request class that a label stands for; "": unknown. */
static const char *endpoint_of(const struct fg_profiler_profile_options *options, uint32_t request)
{
	uint32_t label = FG_REQUEST_LABEL(request);

	return label && label <= options->endpoint_count ? options->endpoints[label - 1] : "";
}

int fg_client_attribute(struct fg_builder *builder,
			const struct fg_profiler_profile_options *options,
			const struct fg_raw_sample *raw, struct fg_psample *sample,
			struct fg_err *err)
{
	uint16_t port = (uint16_t)FG_REQUEST_PORT(raw->request);
	const char *endpoint = endpoint_of(options, raw->request);

	if (!endpoint[0])
		return 0;
	int64_t text = fg_builder_text(builder, endpoint, err);

	if (text < 0)
		return (int)text;
	sample->endpoint = (uint32_t)text;
	if (!options->slow || !fg_request_index_has(options->slow, port, raw->time_ns))
		return 0;
	text = fg_builder_text(builder, "slow", err);
	if (text < 0)
		return (int)text;
	sample->latency = (uint32_t)text;
	return 0;
}

uint32_t *fg_profiler_labels(const struct fg_profiler *profiler)
{
	return profiler->labels.words;
}

const char *fg_profiler_labels_problem(const struct fg_profiler *profiler)
{
	return profiler->labels.problem;
}
