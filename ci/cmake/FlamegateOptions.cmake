# Build options, and one interface target (fg_options) that carries language level and warnings.
option(FLAMEGATE_PROFILER "Build flamegate-profiler and link the symboliser (libbpf, elfutils, clang)" ON)
option(FLAMEGATE_TESTS "Build the tests" ON)
option(FLAMEGATE_DEMO "Build the small server of scenarios/quickstart.yaml" OFF)
option(FLAMEGATE_FUZZ "Build libFuzzer targets (needs clang)" OFF)
option(FLAMEGATE_WERROR "Treat warnings as errors (CI)" OFF)
set(FLAMEGATE_SANITIZE "" CACHE STRING "Comma list for -fsanitize=, e.g. address,undefined or thread")

if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
  set(CMAKE_BUILD_TYPE RelWithDebInfo CACHE STRING "" FORCE)
endif()
# Assertions stay on: they cost nothing measurable and a gate must not decide on a broken state.
set(CMAKE_C_FLAGS_RELWITHDEBINFO "-O2 -g")
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
pkg_check_modules(JANSSON REQUIRED IMPORTED_TARGET jansson)
pkg_check_modules(ZLIB REQUIRED IMPORTED_TARGET zlib)
pkg_check_modules(PROTOBUFC REQUIRED IMPORTED_TARGET libprotobuf-c)
pkg_check_modules(XXHASH REQUIRED IMPORTED_TARGET libxxhash)
pkg_check_modules(PCRE2 REQUIRED IMPORTED_TARGET libpcre2-8)
pkg_check_modules(LIBUV REQUIRED IMPORTED_TARGET libuv)
pkg_check_modules(LIBCURL REQUIRED IMPORTED_TARGET libcurl)
pkg_check_modules(YAML REQUIRED IMPORTED_TARGET yaml-0.1)
pkg_check_modules(OPENSSL REQUIRED IMPORTED_TARGET openssl)
pkg_check_modules(SNAPPY REQUIRED IMPORTED_TARGET snappy)
if(FLAMEGATE_PROFILER)
  pkg_check_modules(LIBELF REQUIRED IMPORTED_TARGET libelf)
  pkg_check_modules(LIBDW REQUIRED IMPORTED_TARGET libdw)
  pkg_check_modules(LIBBPF REQUIRED IMPORTED_TARGET libbpf)
endif()

add_library(fg_options INTERFACE)
target_compile_features(fg_options INTERFACE c_std_17)
set(CMAKE_C_STANDARD 17)
set(CMAKE_C_EXTENSIONS ON)
target_include_directories(fg_options INTERFACE ${PROJECT_SOURCE_DIR})
target_compile_definitions(fg_options INTERFACE _GNU_SOURCE FG_VERSION="${PROJECT_VERSION}")
target_compile_options(fg_options INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes -Wvla
  -Wundef -Wformat=2 -Wcast-qual -Wimplicit-fallthrough -fno-strict-aliasing
  $<$<C_COMPILER_ID:GNU>:-Wjump-misses-init -Wlogical-op -Wduplicated-cond>
  $<$<BOOL:${FLAMEGATE_WERROR}>:-Werror>)
if(FLAMEGATE_SANITIZE)
  target_compile_options(fg_options INTERFACE -fsanitize=${FLAMEGATE_SANITIZE} -fno-omit-frame-pointer
                                              -fno-sanitize-recover=all)
  target_link_options(fg_options INTERFACE -fsanitize=${FLAMEGATE_SANITIZE})
endif()

# fg_protobuf_c(TARGET file.proto): generates file.pb-c.{c,h} into the build tree and adds them.
# Generated code gets no warnings of ours.
find_program(PROTOC_C protoc-c REQUIRED)
function(fg_protobuf_c target proto)
  get_filename_component(name ${proto} NAME_WE)
  file(RELATIVE_PATH relative ${PROJECT_SOURCE_DIR} ${CMAKE_CURRENT_SOURCE_DIR})
  set(out ${PROJECT_BINARY_DIR}/generated/${relative})
  file(MAKE_DIRECTORY ${out})
  add_custom_command(
    OUTPUT ${out}/${name}.pb-c.c ${out}/${name}.pb-c.h
    COMMAND ${PROTOC_C} --c_out=${out} --proto_path=${CMAKE_CURRENT_SOURCE_DIR} ${CMAKE_CURRENT_SOURCE_DIR}/${proto}
    DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${proto} VERBATIM)
  # Rooms are subdirectories of their target's directory, and a custom command is known only where it
  # stands: the extra target carries the order across.
  add_custom_target(${target}_${name}_pb DEPENDS ${out}/${name}.pb-c.c ${out}/${name}.pb-c.h)
  add_dependencies(${target} ${target}_${name}_pb)
  set_source_files_properties(${out}/${name}.pb-c.c TARGET_DIRECTORY ${target} PROPERTIES
    GENERATED TRUE COMPILE_OPTIONS "-w")
  target_sources(${target} PRIVATE ${out}/${name}.pb-c.c)
  target_include_directories(${target} SYSTEM PRIVATE ${PROJECT_BINARY_DIR}/generated)
endfunction()

# fg_embed_text(TARGET file symbol): `const char symbol[]` with the text of an ASCII file.
function(fg_embed_text target file symbol)
  set(source ${CMAKE_CURRENT_SOURCE_DIR}/${file})
  file(RELATIVE_PATH relative ${PROJECT_SOURCE_DIR} ${CMAKE_CURRENT_SOURCE_DIR})
  set(out ${PROJECT_BINARY_DIR}/generated/${relative}/${symbol}.c)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${source})
  file(READ ${source} hex HEX)
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
  set(text "/* Generated from ${relative}/${file}. */\nextern const char ${symbol}[];\nconst char ${symbol}[] = {\n${bytes}0};\n")
  if(EXISTS ${out})
    file(READ ${out} before)
  endif()
  if(NOT "${before}" STREQUAL "${text}")
    file(WRITE ${out} "${text}")
  endif()
  target_sources(${target} PRIVATE ${out})
endfunction()
