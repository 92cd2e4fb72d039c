/* SPDX-License-Identifier: Apache-2.0 */
/* What every cmocka test includes, in the order that cmocka needs. */
#ifndef FG_TESTS_KIT_H
#define FG_TESTS_KIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/** Fails with the error's text if `rc` is not 0. */
#define assert_ok(rc, err)                                                \
	do {                                                              \
		int rc_ = (rc);                                           \
		if (rc_)                                                  \
			fail_msg("%s: %d: %s", #rc, rc_, (err)->message); \
	} while (0)

#endif
