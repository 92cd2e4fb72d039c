/* SPDX-License-Identifier: Apache-2.0 */
/* Call-frame programs, each with the ranges and rules that it must give. */
#include "tests/kit/kit.h"

#include <dwarf.h>
#include <stdio.h>
#include <string.h>

#include "profiler/unwind/cfi.h"

#define BYTES(...) (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__})
#define NO_BYTES   (const uint8_t[]){0}, 0

struct text {
	char bytes[1024];
	size_t len;
};

static void print_saved(struct text *text, const char *name, const struct fg_cfi_saved *saved)
{
	static const char *const words[] = {"same", "undefined", "", "other"};
	char number[32];

	(void)snprintf(number, sizeof(number), "%lld", (long long)saved->offset);
	text->len += (size_t)snprintf(text->bytes + text->len, sizeof(text->bytes) - text->len,
				      " %s %s", name,
				      saved->place == FG_CFI_AT_CFA ? number : words[saved->place]);
}

static int print_state(void *context, uint64_t start, uint64_t end,
		       const struct fg_cfi_rules *rules)
{
	struct text *text = context;
	char cfa[64] = "none";

	assert_true(text->len < sizeof(text->bytes) / 2);
	if (rules && rules->cfa_expression.at)
		(void)snprintf(cfa, sizeof(cfa), "expression of %td",
			       rules->cfa_expression.end - rules->cfa_expression.at);
	else if (rules && rules->has_cfa)
		(void)snprintf(cfa, sizeof(cfa), "r%llu%+lld",
			       (unsigned long long)rules->cfa_register,
			       (long long)rules->cfa_offset);
	text->len +=
		(size_t)snprintf(text->bytes + text->len, sizeof(text->bytes) - text->len,
				 "%s%llu-%llu %s", text->len ? "; " : "", (unsigned long long)start,
				 (unsigned long long)end, rules ? cfa : "cannot");
	if (rules) {
		print_saved(text, "bp", &rules->saved);
		print_saved(text, "ra", &rules->return_address);
	}
	return 0;
}

/* As every compiler writes it: CFA = r7 + 8, return address (r16) at CFA − 8. */
#define USUAL DW_CFA_def_cfa, 7, 8, DW_CFA_offset | 16, 1
#define AT    DW_CFA_advance_loc |

static const struct {
	const char *name;
	const uint8_t *initial;
	size_t initial_len;
	const uint8_t *program;
	size_t program_len;
	const char *expected; /* of a function [0, 100) */
} cases[] = {
	{"nothing at all", NO_BYTES, NO_BYTES, "0-100 none bp same ra same"},
	{"the usual start", BYTES(USUAL), NO_BYTES, "0-100 r7+8 bp same ra -8"},
	{"push rbp; mov", BYTES(USUAL),
	 BYTES(AT 1, DW_CFA_def_cfa_offset, 16, DW_CFA_offset | 6, 2, AT 3, DW_CFA_def_cfa_register,
	       6),
	 "0-1 r7+8 bp same ra -8; 1-4 r7+16 bp -16 ra -8; 4-100 r6+16 bp -16 ra -8"},
	{"wide advances", BYTES(USUAL),
	 BYTES(DW_CFA_advance_loc1, 10, DW_CFA_def_cfa_offset, 16, DW_CFA_advance_loc2, 20, 0,
	       DW_CFA_def_cfa_offset, 24, DW_CFA_advance_loc4, 30, 0, 0, 0, DW_CFA_def_cfa_offset,
	       32),
	 "0-10 r7+8 bp same ra -8; 10-30 r7+16 bp same ra -8; 30-60 r7+24 bp same ra -8; "
	 "60-100 r7+32 bp same ra -8"},
	{"beyond the end", BYTES(USUAL), BYTES(DW_CFA_advance_loc4, 255, 255, 255, 255, AT 1),
	 "0-100 r7+8 bp same ra -8"},
	{"an advance of nothing", BYTES(USUAL), BYTES(AT 0, DW_CFA_def_cfa_offset, 16, AT 5),
	 "0-5 r7+16 bp same ra -8; 5-100 r7+16 bp same ra -8"},
	{"remember and restore", BYTES(USUAL),
	 BYTES(DW_CFA_remember_state, AT 2, DW_CFA_def_cfa_offset, 64, DW_CFA_offset | 6, 3, AT 2,
	       DW_CFA_restore_state),
	 "0-2 r7+8 bp same ra -8; 2-4 r7+64 bp -24 ra -8; 4-100 r7+8 bp same ra -8"},
	{"restore a register", BYTES(USUAL),
	 BYTES(DW_CFA_offset | 6, 2, AT 1, DW_CFA_restore | 6, DW_CFA_undefined, 16, AT 1,
	       DW_CFA_restore_extended, 16),
	 "0-1 r7+8 bp -16 ra -8; 1-2 r7+8 bp same ra undefined; 2-100 r7+8 bp same ra -8"},
	{"signed forms", NO_BYTES,
	 BYTES(DW_CFA_def_cfa_sf, 7, 0x7f, DW_CFA_offset_extended_sf, 6, 0x7e, AT 1,
	       DW_CFA_def_cfa_offset_sf, 0x7e, DW_CFA_GNU_negative_offset_extended, 6, 2),
	 "0-1 r7+8 bp 16 ra same; 1-100 r7+16 bp 16 ra same"},
	{"places that are none of the row format's", BYTES(USUAL),
	 BYTES(DW_CFA_register, 6, 3, AT 1, DW_CFA_val_offset, 6, 1, AT 1, DW_CFA_expression, 6, 2,
	       DW_OP_breg7, 0, AT 1, DW_CFA_val_expression, 16, 1, DW_OP_lit0),
	 "0-1 r7+8 bp other ra -8; 1-2 r7+8 bp other ra -8; 2-3 r7+8 bp other ra -8; "
	 "3-100 r7+8 bp other ra other"},
	{"an expression for the CFA", BYTES(USUAL),
	 BYTES(DW_CFA_def_cfa_expression, 2, DW_OP_breg7, 8, AT 1, DW_CFA_def_cfa, 6, 16),
	 "0-1 expression of 2 bp same ra -8; 1-100 r6+16 bp same ra -8"},
	{"other registers do not matter", BYTES(USUAL),
	 BYTES(DW_CFA_offset | 3, 9, DW_CFA_undefined, 0xff, 0xff, 0x03, DW_CFA_same_value, 12,
	       DW_CFA_GNU_args_size, 16, DW_CFA_nop),
	 "0-100 r7+8 bp same ra -8"},
	/* what cannot be executed is said from there on, what came before stays */
	{"an unknown instruction", BYTES(USUAL), BYTES(AT 5, 0x3f, AT 5),
	 "0-5 r7+8 bp same ra -8; 5-100 cannot"},
	{"set_loc", BYTES(USUAL), BYTES(DW_CFA_set_loc, 0, 0, 0, 0, 0, 0, 0, 0), "0-100 cannot"},
	{"half an instruction", BYTES(USUAL), BYTES(AT 5, DW_CFA_advance_loc2, 1),
	 "0-5 r7+8 bp same ra -8; 5-100 cannot"},
	{"a number without end", BYTES(USUAL),
	 BYTES(DW_CFA_def_cfa_offset, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80,
	       0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 1),
	 "0-100 cannot"},
	{"an offset of exabytes", BYTES(USUAL),
	 BYTES(DW_CFA_def_cfa_offset, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f),
	 "0-100 cannot"},
	{"an expression longer than the rest", BYTES(USUAL),
	 BYTES(DW_CFA_def_cfa_expression, 200, DW_OP_breg7), "0-100 cannot"},
	{"restore without remember", BYTES(USUAL), BYTES(DW_CFA_restore_state), "0-100 cannot"},
	{"half a rule without the other half", NO_BYTES, BYTES(DW_CFA_def_cfa_offset, 8),
	 "0-100 cannot"},
	{"an offset to an expression", BYTES(DW_CFA_def_cfa_expression, 1, DW_OP_lit0),
	 BYTES(DW_CFA_def_cfa_offset, 8), "0-100 cannot"},
	{"a CIE that advances", BYTES(USUAL, AT 1), NO_BYTES, "0-100 cannot"},
	{"a CIE that cannot be executed", BYTES(0x3f), BYTES(AT 1), "0-100 cannot"},
};

static struct fg_cfi_common common_of(const uint8_t *initial, size_t len)
{
	return (struct fg_cfi_common){
		.initial = {initial, initial + len},
		.code_factor = 1,
		.data_factor = -8,
		.return_register = 16,
		.saved_register = 6,
	};
}

static void test_programs(void **state)
{
	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++) {
		const struct fg_cfi_common common =
			common_of(cases[i].initial, cases[i].initial_len);
		const struct fg_cfi_cursor program = {cases[i].program,
						      cases[i].program + cases[i].program_len};
		struct text text = {{0}, 0};

		assert_int_equal(fg_cfi_run(&common, program, 0, 100, print_state, &text), 0);
		if (strcmp(text.bytes, cases[i].expected) != 0)
			fail_msg("%s: %s, not %s", cases[i].name, text.bytes, cases[i].expected);
	}
}

static int refuse(void *context, uint64_t start, uint64_t end, const struct fg_cfi_rules *rules)
{
	(void)start;
	(void)end;
	(void)rules;
	++*(int *)context;
	return -FG_E_LIMIT;
}

static void test_limits(void **state)
{
	uint8_t many[2 * FG_CFI_REMEMBER_MAX], nops[FG_CFI_INITIAL_BYTES_MAX + 1] = {0};
	static const uint8_t usual[] = {USUAL}, two[] = {AT 1, AT 1}, wide[] = {AT 2};
	struct fg_cfi_common common = common_of(usual, sizeof(usual));
	struct text text = {{0}, 0};
	int calls = 0;

	(void)state;
	/* the caller's refusal ends it at once */
	assert_int_equal(fg_cfi_run(&common, (struct fg_cfi_cursor){two, two + 2}, 0, 9, refuse,
				    &calls),
			 -FG_E_LIMIT);
	assert_int_equal(calls, 1);
	/* an empty function has no states */
	assert_int_equal(
		fg_cfi_run(&common, (struct fg_cfi_cursor){two, two + 2}, 9, 9, refuse, &calls), 0);
	assert_int_equal(calls, 1);
	memset(many, DW_CFA_remember_state, sizeof(many));
	assert_int_equal(fg_cfi_run(&common,
				    (struct fg_cfi_cursor){many, many + FG_CFI_REMEMBER_MAX}, 0, 9,
				    print_state, &text),
			 0);
	assert_string_equal(text.bytes, "0-9 r7+8 bp same ra -8");
	text = (struct text){{0}, 0};
	assert_int_equal(fg_cfi_run(&common,
				    (struct fg_cfi_cursor){many, many + FG_CFI_REMEMBER_MAX + 1}, 0,
				    9, print_state, &text),
			 0);
	assert_string_equal(text.bytes, "0-9 cannot");
	common.initial = (struct fg_cfi_cursor){nops, nops + sizeof(nops)};
	text = (struct text){{0}, 0};
	assert_int_equal(
		fg_cfi_run(&common, (struct fg_cfi_cursor){two, two}, 0, 9, print_state, &text), 0);
	assert_string_equal(text.bytes, "0-9 cannot");
	/* a factor that overflows the advance */
	common = common_of(usual, sizeof(usual));
	common.code_factor = UINT64_MAX;
	text = (struct text){{0}, 0};
	assert_int_equal(fg_cfi_run(&common, (struct fg_cfi_cursor){wide, wide + 1}, 0, 9,
				    print_state, &text),
			 0);
	assert_string_equal(text.bytes, "0-9 cannot");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_programs),
		cmocka_unit_test(test_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
