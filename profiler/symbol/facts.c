/* SPDX-License-Identifier: Apache-2.0 */
#include "profiler/symbol/facts.h"

#include <string.h>

#include "profiler/symbol/module.h"

int fg_symbol_facts(int fd, const char *path, struct fg_symbol_facts *ret, struct fg_err *err)
{
	struct fg_symbol_facts facts = {0};
	struct fg_module module;
	int rc = fg_module_init(&module, fd, NULL, 0, path, err);

	if (rc)
		return rc;
	rc = fg_module_load(&module, "/usr/lib/debug", NULL, err);
	if (rc == 0) {
		facts.functions = module.fdes.count;
		for (size_t i = 0; i < module.fdes.count; i++)
			facts.named +=
				fg_elfsym_find(&module.symbols, module.fdes.items[i].start) != NULL;
		if (module.go) { /* each has its name */
			facts.functions += fg_gosym_count(module.go);
			facts.named += fg_gosym_count(module.go);
		}
		facts.has_debug_file = module.debug.elf != NULL;
		memcpy(facts.build_id, module.build_id, sizeof(facts.build_id));
		*ret = facts;
	}
	fg_module_done(&module);
	return rc;
}
