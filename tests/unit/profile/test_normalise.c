/* SPDX-License-Identifier: Apache-2.0 */
/* Names → keys (reference/ebpf.md §7), one row per spelling that a tool really prints. */
#include "tests/unit/profile/sample.h"

#include <string.h>

#include "gate/profile/normalise.h"

#define DOTS "<\xe2\x80\xa6>"

struct row {
	const char *name, *key;
};

/* All wrong rows are shown, not only the first. */
static void check(const struct row *rows, size_t count)
{
	size_t wrong = 0;

	for (size_t i = 0; i < count; i++) {
		struct fg_buf first, second;

		fg_buf_init(&first, 8192);
		fg_buf_init(&second, 8192);
		fg_normalise_name(rows[i].name, &first);
		fg_normalise_name(first.data, &second);
		if (strcmp(first.data, rows[i].key) != 0 || strcmp(first.data, second.data) != 0) {
			print_error("\"%s\" became \"%s\", then \"%s\", not \"%s\"\n", rows[i].name,
				    first.data, second.data, rows[i].key);
			wrong++;
		}
		fg_buf_done(&first);
		fg_buf_done(&second);
	}
	assert_int_equal(wrong, 0);
}

static void test_plain_names_stay(void **state)
{
	static const struct row rows[] = {
		{"", ""},
		{"main", "main"},
		{"json_object_set_new", "json_object_set_new"},
		{"ed25519_sign", "ed25519_sign"},
		{"facade_init", "facade_init"},
		{"test_123456", "test_123456"},
		{"crc32_a1b2c3d4", "crc32_a1b2c3d4"},
		{"foo@plt", "foo@plt"},
		{"foo.resolver", "foo.resolver"},
		{"part", "part"},
		{".part.0", ".part.0"},
		{"cold_start", "cold_start"},
		{"libz.so.1+0x1a40ff", "libz.so.1+0x1a40ff"},
		{"app!0x1a40ff", "app!0x1a40ff"},
		{"[unknown]", "[unknown]"},
		{"[truncated]", "[truncated]"},
		{"operator_table", "operator_table"},
		{"a < b", "a < b"},
	};

	(void)state;
	check(rows, FG_ARRAY_LEN(rows));
}

static void test_suffixes_of_compilers_and_linkers(void **state)
{
	static const struct row rows[] = {
		{"foo.constprop.0", "foo"},
		{"foo.isra.12", "foo"},
		{"foo.part.0", "foo"},
		{"foo.cold", "foo"},
		{"foo.cold.3", "foo"},
		{"foo.part.0.isra.0.cold", "foo"},
		{"foo.lto_priv.0", "foo"},
		{"foo.llvm.1234567890", "foo"},
		{"foo.__uniq.98765.llvm.1", "foo"},
		{"foo.localalias", "foo"},
		{"foo.clone.2", "foo"},
		{"foo.warm", "foo"},
		{"ns::foo(int) [clone .constprop.0]", "ns::foo"},
		{"ns::foo(int) [clone .isra.0] [clone .cold]", "ns::foo"},
		{"ns::foo(int) (.llvm.42)", "ns::foo"},
		{"memcpy@@GLIBC_2.14", "memcpy"},
		{"memcpy@GLIBC_2.2.5", "memcpy"},
		{"EVP_DigestUpdate@OPENSSL_3.0.0", "EVP_DigestUpdate"},
		{"foo.cold@@V_1", "foo"},
		{"foo.colder", "foo.colder"},
		{"foo.cold.x", "foo.cold.x"},
	};

	(void)state;
	check(rows, FG_ARRAY_LEN(rows));
}

static void test_cxx(void **state)
{
	static const struct row rows[] = {
		{"ns::C::f", "ns::C::f"},
		{"ns::C::f(int, char const*) const", "ns::C::f"},
		{"std::vector<int, std::allocator<int> >::push_back(int&&)",
		 "std::vector" DOTS "::push_back"},
		{"std::map<K, V>::operator[](K const&)", "std::map" DOTS "::operator[]"},
		{"bool operator< <int>(A<int> const&, A<int> const&)", "operator<"},
		{"operator<(A const&, A const&)", "operator<"},
		{"ns::A::operator==(A const&) const", "ns::A::operator=="},
		{"A ns::operator+<int>(A, A)", "ns::operator+"},
		{"ns::A::operator-() const", "ns::A::operator-"},
		{"ns::A& ns::A::operator=<int>(int&&) &", "ns::A::operator="},
		{"<(A, B) as Trait>::f", "<(A, B) as Trait>::f"},
		{"ns::operator<<(std::ostream&, A const&)", "ns::operator<<"},
		{"ns::P::operator->() const", "ns::P::operator->"},
		{"ns::P::operator->*(int)", "ns::P::operator->*"},
		{"ns::F::operator()(int) const", "ns::F::operator()"},
		{"ns::F<T>::operator()", "ns::F" DOTS "::operator()"},
		{"ns::A::operator<=>(ns::A const&) const", "ns::A::operator<=>"},
		{"ns::A::operator>>(int)", "ns::A::operator>>"},
		{"ns::A::operator>(int)", "ns::A::operator>"},
		{"ns::A::operator bool() const", "ns::A::operator bool"},
		{"ns::A::operator unsigned long() const", "ns::A::operator unsigned long"},
		{"operator new(unsigned long)", "operator new"},
		{"operator delete[](void*)", "operator delete[]"},
		{"void ns::run<int, char>(int, char)", "ns::run" DOTS},
		{"std::vector<int> ns::make<int>(int)", "ns::make" DOTS},
		{"int const* ns::find<int>(int)", "ns::find" DOTS},
		{"std::function<void (int)>::operator()(int) const",
		 "std::function" DOTS "::operator()"},
		{"E<(1 > 0)>::f()", "E" DOTS "::f"},
		{"E<&(A::operator<(A const&))>::f()", "E" DOTS "::f"},
		{"decltype (a->b) g<A>(A)", "g" DOTS},
		{"(anonymous namespace)::helper(int)", "(anonymous namespace)::helper"},
		{"ns::(anonymous namespace)::C::f()", "ns::(anonymous namespace)::C::f"},
		{"void (anonymous namespace)::run<int>(int)", "(anonymous namespace)::run" DOTS},
		{"f[abi:cxx11](int)", "f"},
		{"ns::C::name[abi:cxx11]() const", "ns::C::name"},
		{"main::{lambda(int)#1}::operator()(int) const", "main::{lambda}::operator()"},
		{"main::{lambda()#2}::operator()() const", "main::{lambda}::operator()"},
		{"main::'lambda'(int)::operator()(int) const", "main::{lambda}::operator()"},
		{"main::'lambda0'(int)::operator()(int) const", "main::{lambda}::operator()"},
		{"main::$_0::operator()(int) const", "main::{lambda}::operator()"},
		{"ns::{unnamed type#1}::f()", "ns::{unnamed type}::f"},
		{"std::_Function_handler<void (int), main::{lambda(int)#1}>::_M_invoke(int)",
		 "std::_Function_handler" DOTS "::_M_invoke"},
		{"non-virtual thunk to ns::C::f()", "non-virtual thunk to ns::C::f"},
		{"vtable for ns::C", "vtable for ns::C"},
		{"ns::C::~C()", "ns::C::~C"},
		{"f(void (*)(int))", "f"},
		{"f<>()", "f<>"},
		{"broken<int::f", "broken<int::f"},
		{"broken>::f", "broken>::f"},
	};

	(void)state;
	check(rows, FG_ARRAY_LEN(rows));
}

static void test_rust(void **state)
{
	static const struct row rows[] = {
		{"core::fmt::write::h0123456789abcdef", "core::fmt::write"},
		{"core::fmt::write::habcdef", "core::fmt::write::habcdef"},
		{"core[846817f741e54dfd]::fmt::write", "core::fmt::write"},
		{"app[1f2e3d4c5b6a7988]::run::{closure#0}", "app::run::{closure}"},
		{"app::run::{{closure}}::h0123456789abcdef", "app::run::{closure}"},
		{"app::run::{closure#3}::{closure#1}", "app::run::{closure}::{closure}"},
		{"<app::T as core::fmt::Debug>::fmt", "<app::T as core::fmt::Debug>::fmt"},
		{"<alloc::vec::Vec<T> as core::fmt::Debug>::fmt::h0123456789abcdef",
		 "<alloc::vec::Vec" DOTS " as core::fmt::Debug>::fmt"},
		{"core::ptr::drop_in_place<alloc::string::String>",
		 "core::ptr::drop_in_place" DOTS},
		{"core::ptr::drop_in_place::<alloc::string::String>",
		 "core::ptr::drop_in_place::" DOTS},
		{"core::num::<impl u32>::pow", "core::num::<impl u32>::pow"},
		{"<alloc::raw_vec::RawVec<u8>>::grow_one",
		 "<alloc::raw_vec::RawVec" DOTS ">::grow_one"},
		{"<[T]>::iter", "<[T]>::iter"},
		{"app::f.llvm.123", "app::f"},
		{"core::ops::function::FnOnce::call_once{{vtable.shim}}",
		 "core::ops::function::FnOnce::call_once{vtable.shim}"},
	};

	(void)state;
	check(rows, FG_ARRAY_LEN(rows));
}

static void test_run_times(void **state)
{
	static const struct row rows[] = {
		/* Go */
		{"main.main.func1", "main.main.func"},
		{"main.(*Server).Serve.func1.2", "main.(*Server).Serve.func"},
		{"main.f.func2.gowrap1", "main.f.func.gowrap"},
		{"main.f.deferwrap3", "main.f.deferwrap"},
		{"main.f-range1", "main.f-range"},
		{"main.function1", "main.function1"},
		{"main.Map[go.shape.int]", "main.Map"},
		{"main.Map[go.shape.struct { a [2]int }].func1", "main.Map.func"},
		{"main.(*List[...]).Push", "main.(*List).Push"},
		{"runtime.memmove.abi0", "runtime.memmove"},
		{"github.com/jackc/pgx/v5.(*Conn).Query", "github.com/jackc/pgx.(*Conn).Query"},
		{"github.com/jackc/pgx/v5/pgconn.Connect", "github.com/jackc/pgx/pgconn.Connect"},
		{"gopkg.in/yaml%2ev3.Unmarshal", "gopkg.in/yaml.Unmarshal"},
		{"gopkg.in/yaml.v3.Unmarshal", "gopkg.in/yaml.Unmarshal"},
		{"example.com/m@v1.2.3/p.F", "example.com/m/p.F"},
		{"main.T.v2.F", "main.T.v2.F"},
		{"main.total[go.shape.int_0]", "main.total"},
		{"main.Sum[go.shape.*main.T,go.shape.[]uint8].func1", "main.Sum.func"},
		{"main.(*T).Run-fm", "main.(*T).Run-fm"},
		{"main.glob..func1", "main.glob..func"},
		{"main.(*T).serve.gowrap2.deferwrap1", "main.(*T).serve.gowrap.deferwrap"},
		{"github.com/a/b/v2/c.(*L[go.shape.string]).Do.func1.2-range1",
		 "github.com/a/b/c.(*L).Do.func-range"},
		{"_cgo_d0a8147841cf_Cfunc_work", "_cgo_Cfunc_work"},
		{"_cgoexp_d0a8147841cf_goBack", "_cgoexp_goBack"},
		{"_cgo_topofstack", "_cgo_topofstack"},
		{"_cgo_d0a8147841c_Cfunc_work", "_cgo_d0a8147841c_Cfunc_work"},
		/* V8 */
		{"LazyCompile:*handle /app/server.js:10:5", "JS:handle /app/server.js"},
		{"LazyCompile:~handle /app/server.js:10:5", "JS:handle /app/server.js"},
		{"Function:^handle /app/server.js:10", "JS:handle /app/server.js"},
		{"JS:+handle /app/server.js:99:1", "JS:handle /app/server.js"},
		{"JS:*handle file:///app/s.js:9:1", "JS:handle file:///app/s.js"},
		{"Script:~ /app/server.js:1:1", "Script: /app/server.js"},
		{"Builtin:ArrayPrototypePush", "Builtin:ArrayPrototypePush"},
		/* Java */
		{"App$$Lambda$14/0x00007f1c2c001000.run", "App$$Lambda.run"},
		{"App$$Lambda/0x00007f1c2c001000.run", "App$$Lambda.run"},
		{"App$$Lambda$14.0x00007f1c2c001000::run", "App$$Lambda::run"},
		{"App.lambda$main$0", "App.lambda$main"},
		{"jdk.proxy2.$Proxy12.get", "jdk.proxy.$Proxy.get"},
		{"jdk.internal.reflect.GeneratedMethodAccessor12.invoke",
		 "jdk.internal.reflect.GeneratedMethodAccessor.invoke"},
		{"java.lang.invoke.LambdaForm$MH/0x0000000800c01000.invoke",
		 "java.lang.invoke.LambdaForm$MH.invoke"},
		/* Python and friends: no lines */
		{"py::handler:/app/views.py", "py::handler:/app/views.py"},
		{"handler /app/views.py:120", "handler /app/views.py"},
		/* addresses */
		{"stub_7f3a2b4c5d6e", "stub_"},
		{"jit_0x7f3a2b4c5d6e_entry", "jit_0x_entry"},
		{"trampoline_0x7f3a2b4c", "trampoline_0x"},
		{"f0x1234567", "f0x1234567"},
	};

	(void)state;
	check(rows, FG_ARRAY_LEN(rows));
}

static void test_interpreted_functions(void **state)
{
	static const struct {
		const char *name, *file, *key;
	} rows[] = {
		{"Handler.do_GET", "/srv/v1/app/server.py", "Handler.do_GET app/server.py"},
		{"Handler.do_GET", "/home/ci/job17/app/server.py", "Handler.do_GET app/server.py"},
		{"f", "server.py", "f server.py"},
		{"f", "/server.py", "f /server.py"},
		{"f", "app/server.py", "f app/server.py"},
		{"f", "", "f"},
		/* brackets and suffixes that mean something in other languages mean nothing here */
		{"outer.<locals>.<lambda>", "/a/b/c.py", "outer.<locals>.<lambda> b/c.py"},
		{"f.cold", "/a/b/c.py", "f.cold b/c.py"},
		{"_call_with_frames_removed", "<frozen importlib._bootstrap>",
		 "_call_with_frames_removed <frozen importlib._bootstrap>"},
		{"Shop::{closure}", "/srv/a.php", "Shop::{closure} srv/a.php"},
		{"{closure:/srv/a.php:12}", "/srv/a.php", "{closure} srv/a.php"},
		{"{closure:{closure:/srv/a.php:12}:13}", "/srv/a.php", "{closure} srv/a.php"},
		{"A::{closure:/srv/a.php:1", "/srv/a.php", "A::{closure:/srv/a.php:1 srv/a.php"},
		{"{closure:", "", "{closure:"},
	};

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(rows); i++) {
		struct fg_buf key;

		fg_buf_init(&key, 4096);
		fg_normalise_script(rows[i].name, rows[i].file, &key);
		fg_buf_add_char(&key, '\0');
		assert_string_equal(key.data, rows[i].key);
		fg_buf_done(&key);
	}
}

static void test_kernel(void **state)
{
	static const struct row rows[] = {
		{"__x64_sys_writev", "sys_writev"},
		{"__arm64_sys_read", "sys_read"},
		{"__ia32_compat_sys_open", "compat_sys_open"},
		{"__se_sys_futex", "sys_futex"},
		{"__do_sys_clone", "sys_clone"},
		{"__pfx___x64_sys_read", "sys_read"},
		{"__pfx_tcp_sendmsg", "tcp_sendmsg"},
		{"tcp_sendmsg_locked.isra.0", "tcp_sendmsg_locked"},
		{"__x64_system", "__x64_system"},
		{"do_syscall_64", "do_syscall_64"},
	};

	(void)state;
	check(rows, FG_ARRAY_LEN(rows));
}

static void test_sources_keep_what_tells_functions_apart(void **state)
{
	static const struct row rows[] = {
		{"f(int)", "f(int)"},
		{"f(int) [clone .cold]", "f(int)"},
		{"C<int>::f(long) const", "C" DOTS "::f(long) const"},
		{"app::run::{closure#1}", "app::run::{closure#1}"},
		{"main.f.func2", "main.f.func2"},
		{"App.lambda$main$0", "App.lambda$main$0"},
		{"main::{lambda(int)#1}::operator()(int) const",
		 "main::{lambda(int)#1}::operator()(int) const"},
	};

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(rows); i++) {
		struct fg_buf out;

		fg_buf_init(&out, 8192);
		fg_normalise_source(rows[i].name, &out);
		assert_string_equal(out.data, rows[i].key);
		fg_buf_done(&out);
	}
}

static void test_long_names_are_cut(void **state)
{
	static const char unit[] = "a<b>(\xc3\xbc)";
	char name[20000];
	struct fg_buf first, second;

	(void)state;
	for (size_t i = 0; i + 1 < sizeof(name); i++)
		name[i] = unit[i % (sizeof(unit) - 1)];
	name[sizeof(name) - 1] = '\0';
	fg_buf_init(&first, 8192);
	fg_buf_init(&second, 8192);
	fg_normalise_name(name, &first);
	assert_true(first.len > 0 && first.len <= FG_NORMALISE_MAX);
	fg_normalise_name(first.data, &second);
	assert_string_equal(first.data, second.data);
	fg_buf_done(&first);
	fg_buf_done(&second);
}

/* profile.symbols.demangle: off leaves names mangled; their keys still outlive a rebuild. */
/* Fills `name` with `first` up to its middle, `second` behind it, and a clone suffix. */
static void fill_name(char *name, size_t len, char first, char second)
{
	static const char suffix[] = ".isra.0";

	memset(name, first, len);
	memset(name + len / 2, second, len - len / 2);
	name[0] = 'f';
	memcpy(name + len - strlen(suffix), suffix, sizeof(suffix));
}

/* The work on brackets without an end is bounded; what is too much stays as it is, and few do not
 * count. */
static void test_brackets_without_end(void **state)
{
	static const char *const cases[] = {"<(", "((", "[[", "{{", "<<"};

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(cases); i++) {
		char name[FG_NORMALISE_MAX + 1];
		struct fg_buf out;

		fg_buf_init(&out, 8192);
		fill_name(name, FG_NORMALISE_MAX, cases[i][0], cases[i][1]);
		fg_normalise_name(name, &out);
		assert_string_equal(out.data, name);
		fg_buf_clear(&out);
		fg_normalise_templates(name, &out);
		assert_string_equal(out.data, name);
		fg_buf_clear(&out);
		fill_name(name, 100, cases[i][0], cases[i][1]);
		fg_normalise_name(name, &out);
		assert_int_equal(out.len, 100 - strlen(".isra.0"));
		fg_buf_done(&out);
	}
}

static void test_mangled(void **state)
{
	static const struct row rows[] = {
		{"_ZN3zoo4work17h0123456789abcdefE", "_ZN3zoo4workE"},
		{"_ZN3zoo4work17hfedcba9876543210E.llvm.123", "_ZN3zoo4workE"},
		{"_ZN3zoo4work17h0123456789abcdeE", "_ZN3zoo4work17h0123456789abcdeE"},
		{"_ZN3zoo4workEi", "_ZN3zoo4workEi"},
		{"_RNvCs4fqI2P2rA04_3zoo4work", "_RNvC3zoo4work"},
		{"_RINvCs4fqI2P2rA04_3zoo4workNtCsabcdefghi_4core1TE",
		 "_RINvC3zoo4workNtC4core1TE"},
		{"_RNvCs1_3zoo4work", "_RNvCs1_3zoo4work"},
		{"_Z7runPKcS0_.isra.0", "_Z7runPKcS0_"},
	};

	(void)state;
	check(rows, FG_ARRAY_LEN(rows));
}

/* profile.symbols.demangle: short. The key is the same as that of the full name. */
static void test_templates(void **state)
{
	static const struct row rows[] = {
		{"std::vector<int, std::allocator<int>>::push_back", "std::vector<…>::push_back"},
		{"zoo::Sorter<std::string>::sort", "zoo::Sorter<…>::sort"},
		{"bool operator< <int>", "bool operator< <int>"},
		{"S<a>::operator-><b>", "S<…>::operator-><…>"},
		{"f<g(a->b)>", "f<…>"},
		{"<zoo::T as core::fmt::Debug>::fmt", "<zoo::T as core::fmt::Debug>::fmt"},
		{"alloc::vec::Vec<T,A>::push", "alloc::vec::Vec<…>::push"},
		{"core::ops::FnOnce::call_once{{closure}}",
		 "core::ops::FnOnce::call_once{{closure}}"},
		{"main.Map[go.shape.int].func1", "main.Map.func1"},
		{"std::__cxx11::f[abi:cxx11]<int>", "std::__cxx11::f[abi:cxx11]<…>"},
		{"unbalanced<a", "unbalanced<a"},
		{"a<b>c>", "a<…>c>"},
		{"", ""},
	};

	(void)state;
	for (size_t i = 0; i < FG_ARRAY_LEN(rows); i++) {
		FG_AUTO_BUF struct fg_buf shown, key, key_of_shown;

		fg_buf_init(&shown, 1 << 16);
		fg_buf_init(&key, 1 << 16);
		fg_buf_init(&key_of_shown, 1 << 16);
		fg_normalise_templates(rows[i].name, &shown);
		assert_string_equal(shown.len ? shown.data : "", rows[i].key);
		fg_normalise_name(rows[i].name, &key);
		fg_normalise_name(shown.len ? shown.data : "", &key_of_shown);
		assert_string_equal(key.len ? key.data : "",
				    key_of_shown.len ? key_of_shown.data : "");
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plain_names_stay),
		cmocka_unit_test(test_suffixes_of_compilers_and_linkers),
		cmocka_unit_test(test_cxx),
		cmocka_unit_test(test_rust),
		cmocka_unit_test(test_run_times),
		cmocka_unit_test(test_brackets_without_end),
		cmocka_unit_test(test_mangled),
		cmocka_unit_test(test_templates),
		cmocka_unit_test(test_interpreted_functions),
		cmocka_unit_test(test_kernel),
		cmocka_unit_test(test_sources_keep_what_tells_functions_apart),
		cmocka_unit_test(test_long_names_are_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
