/* SPDX-License-Identifier: Apache-2.0 */
/* In place of libbpf's, see bpf_helpers.h. */
#ifndef FG_TESTS_BPF_CORE_READ_H
#define FG_TESTS_BPF_CORE_READ_H

#define BPF_CORE_READ(from, path)               ((from)->path)
#define bpf_core_enum_value_exists(type, value) fg_has_newer_helpers
#define bpf_core_type_size(type)                sizeof(type)
#define __builtin_preserve_access_index(place)  (place)

#endif
