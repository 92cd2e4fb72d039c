/* SPDX-License-Identifier: Apache-2.0 */
#include "profiler/session_label.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "profiler/bpf/label.skel.h"

#define NEEDED "needs Linux 6.3 or newer (the tracepoint sock_recv_length)"

struct fg_session_label {
	struct fg_label_object *object;
	int on_map; /* the sampler's */
	int cpus;
	struct fg_bpf_label_stats *stats; /* one per possible CPU */
};

static int set_on(const struct fg_session_label *label, uint32_t on)
{
	const uint32_t zero = 0;

	return bpf_map_update_elem(label->on_map, &zero, &on, BPF_ANY);
}

static int prepare(struct fg_session_label *label, struct fg_session *session, bool absent,
		   struct fg_err *err)
{
	struct fg_label_object *object = fg_label_object__open();

	if (!object)
		return fg_err_errno(err, errno, "opening the BPF object of request classes");
	label->object = object;
	if (absent &&
	    bpf_program__set_attach_target(object->progs.fg_label, 0, "sock_recv_length_absent"))
		return fg_err_set(err, FG_E_UNSUPPORTED, NEEDED);
	if (bpf_map__reuse_fd(object->maps.fg_requests, fg_session_requests_map(session)) ||
	    bpf_map__reuse_fd(object->maps.fg_labels_on, label->on_map))
		return fg_err_errno(err, errno, "sharing maps with the sampler");
	return 0;
}

static int load(struct fg_session_label *label, struct fg_err *err)
{
	struct fg_label_object *object = label->object;

	if (fg_label_object__load(object)) {
		/* libbpf's word for a tracepoint that the kernel's type information lacks. */
		if (errno == ESRCH || errno == ENOENT)
			return fg_err_set(err, FG_E_UNSUPPORTED, NEEDED);
		return fg_err_errno(err, errno, "loading the BPF program of request classes");
	}
	object->links.fg_label = bpf_program__attach(object->progs.fg_label);
	if (!object->links.fg_label)
		return fg_err_errno(err, errno, "attaching to the tracepoint sock_recv_length");
	if (set_on(label, 1))
		return fg_err_errno(err, errno, "switching request classes on");
	return 0;
}

int fg_session_label_new(struct fg_session *session, bool absent, struct fg_session_label **ret,
			 struct fg_err *err)
{
	struct fg_session_label *label = calloc(1, sizeof(*label));

	if (!label)
		return fg_err_nomem(err);
	label->on_map = fg_session_labels_on_map(session);
	label->cpus = libbpf_num_possible_cpus();
	int rc = label->cpus > 0 && label->cpus <= FG_SESSION_CPUS_MAX
			 ? 0
			 : fg_err_set(err, FG_E_UNSUPPORTED, "cannot tell the number of CPUs");

	if (!rc) {
		label->stats = calloc((size_t)label->cpus, sizeof(*label->stats));
		rc = label->stats ? prepare(label, session, absent, err) : fg_err_nomem(err);
	}
	if (!rc)
		rc = load(label, err);
	if (rc) {
		fg_session_label_free(label);
		return rc;
	}
	*ret = label;
	return 0;
}

void fg_session_label_free(struct fg_session_label *label)
{
	if (!label)
		return;
	fg_label_object__destroy(label->object);
	free(label->stats);
	free(label);
}

int fg_session_label_map(const struct fg_session_label *label)
{
	return bpf_map__fd(label->object->maps.fg_labels);
}

int fg_session_label_stats(struct fg_session_label *label, struct fg_bpf_label_stats *ret,
			   struct fg_err *err)
{
	const uint32_t zero = 0;
	struct fg_bpf_label_stats sum = {0};

	if (bpf_map_lookup_elem(bpf_map__fd(label->object->maps.fg_label_stats), &zero,
				label->stats) != 0)
		return fg_err_errno(err, errno, "reading the counts of request classes");
	for (int i = 0; i < label->cpus; i++) {
		sum.receives += label->stats[i].receives;
		sum.labelled += label->stats[i].labelled;
		sum.timed += label->stats[i].timed;
		sum.timed_ns += label->stats[i].timed_ns;
	}
	*ret = sum;
	return 0;
}

void fg_session_label_detach(struct fg_session_label *label)
{
	(void)set_on(label, 0); /* first: a word that nobody renews is soon a wrong one */
	(void)bpf_link__destroy(label->object->links.fg_label);
	label->object->links.fg_label = NULL;
}

bool fg_session_label_program(const struct fg_session_label *label, struct fg_session_program *ret)
{
	struct bpf_prog_info info = {0};
	uint32_t len = sizeof(info);

	if (bpf_obj_get_info_by_fd(bpf_program__fd(label->object->progs.fg_label), &info, &len))
		return false;
	ret->name = bpf_program__name(label->object->progs.fg_label);
	ret->verified_instructions = info.verified_insns;
	ret->code_bytes = info.jited_prog_len;
	return true;
}
