/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files are read, not mapped: a program that is rebuilt in place while its profile is symbolised
 * must not end us with SIGBUS.
 */
#include "profiler/symbol/module.h"

#include <gelf.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gate/base/str.h"
#include "profiler/symbol/debugfile.h"
#include "profiler/unwind/elf_open.h"

/* Takes fd and image; elf stays NULL when it is no ELF file. */
static void open_file(struct fg_symfile *file, int fd, void *image, size_t len)
{
	elf_version(EV_CURRENT);
	*file = (struct fg_symfile){.fd = fd, .image = image};
	if (image)
		file->elf = elf_memory(image, len);
	else if (fd >= 0)
		file->elf = fg_elf_open(fd);
	if (file->elf && (elf_kind(file->elf) != ELF_K_ELF)) {
		elf_end(file->elf);
		file->elf = NULL;
	}
}

static void close_file(struct fg_symfile *file)
{
	if (file->elf)
		elf_end(file->elf);
	if (file->fd >= 0)
		close(file->fd);
	free(file->image);
	*file = (struct fg_symfile){.fd = -1};
}

int fg_module_init(struct fg_module *module, int fd, void *image, size_t len, const char *path,
		   struct fg_err *err)
{
	*module = (struct fg_module){.debug.fd = -1, .mini.fd = -1};
	open_file(&module->file, fd, image, len);
	int rc = fg_str_dup(path, &module->path, err);

	if (rc) {
		fg_module_done(module);
		return rc;
	}
	if (module->file.elf)
		fg_debugfile_build_id(module->file.elf, module->build_id);
	return 0;
}

void fg_module_done(struct fg_module *module)
{
	fg_inline_close(module->dwarf);
	fg_gosym_close(module->go);
	fg_elfsym_done(&module->symbols);
	fg_fdes_done(&module->fdes);
	close_file(&module->mini);
	close_file(&module->debug);
	close_file(&module->file);
	free(module->path);
	*module = (struct fg_module){.file.fd = -1, .debug.fd = -1, .mini.fd = -1};
}

static void open_helpers(struct fg_module *module, const char *debug_root,
			 const struct fg_debug_fetch *fetch)
{
	size_t len;
	void *mini = fg_debugfile_unpack(module->file.elf, &len);

	if (mini)
		open_file(&module->mini, -1, mini, len);
	int fd = fg_debugfile_open(module->file.elf, module->path, debug_root);

	/* not for the vDSO, nor for Go, whose names are in every file */
	if (fd < 0 && fetch && module->file.fd >= 0 && !module->go &&
	    !fg_debugfile_has_symbols(module->file.elf))
		fd = fg_debugfile_fetch(module->file.elf, fetch);
	if (fd >= 0)
		open_file(&module->debug, fd, NULL, 0);
}

int fg_module_load(struct fg_module *module, const char *debug_root,
		   const struct fg_debug_fetch *fetch, struct fg_err *err)
{
	int rc = 0;

	if (module->loaded || !module->file.elf)
		return 0;
	module->go = fg_gosym_open(module->file.elf);
	open_helpers(module, debug_root, fetch);
	struct Elf *const elfs[] = {module->file.elf, module->mini.elf, module->debug.elf};

	for (size_t i = 0; i < FG_ARRAY_LEN(elfs) && !rc; i++)
		if (elfs[i])
			rc = fg_elfsym_add(&module->symbols, elfs[i], err);
	if (!rc)
		rc = fg_elfsym_add_plt(&module->symbols, module->file.elf, err);
	if (!rc)
		rc = fg_fdes_read(module->file.elf, &module->fdes, err);
	if (!rc && module->fdes.count == 0 && module->debug.elf)
		rc = fg_fdes_read(module->debug.elf, &module->fdes, err);
	if (rc) {
		fg_elfsym_done(&module->symbols);
		fg_fdes_done(&module->fdes);
		fg_gosym_close(module->go);
		module->go = NULL;
		close_file(&module->mini);
		close_file(&module->debug);
		return fg_err_wrap(err, "%s", module->path);
	}
	fg_elfsym_finish(&module->symbols, &module->fdes);
	module->loaded = true;
	return 0;
}

struct fg_inline *fg_module_dwarf(struct fg_module *module)
{
	struct Elf *const elfs[] = {module->file.elf, module->debug.elf};

	for (size_t i = 0; i < FG_ARRAY_LEN(elfs) && !module->dwarf_tried && !module->dwarf; i++)
		if (elfs[i])
			module->dwarf = fg_inline_open(elfs[i]);
	module->dwarf_tried = true;
	return module->dwarf;
}

const char *fg_module_base_name(const struct fg_module *module)
{
	const char *slash = strrchr(module->path, '/');
	const char *name = slash ? slash + 1 : module->path;

	return name[0] ? name : "[unknown]";
}
