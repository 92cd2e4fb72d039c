// SPDX-License-Identifier: Apache-2.0
// C++ names for the symboliser's tests.
namespace zoo
{
template <class T> struct Box {
	T value;
	__attribute__((noinline)) T add(T more)
	{
		asm volatile("" : "+r"(more));
		return value + more;
	}
};
template struct Box<int>;
__attribute__((noinline)) int plain(int x)
{
	asm volatile("" : "+r"(x));
	return x - 1;
}
} // namespace zoo

int main(int argc, char **)
{
	return zoo::Box<int>{argc}.add(2) + zoo::plain(argc) == 0;
}
