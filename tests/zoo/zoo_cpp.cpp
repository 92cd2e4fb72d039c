/* SPDX-License-Identifier: Apache-2.0 */
/* C++: templates, lambdas, exceptions being thrown and caught, a container's callbacks. */
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <functional>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

namespace zoo
{
template <typename T> struct Sorter {
	__attribute__((noinline)) void sort(std::vector<T> &items)
	{
		std::sort(items.begin(), items.end(), [](const T &a, const T &b) { return b < a; });
	}
};

__attribute__((noinline)) int thrower(int n)
{
	if (n % 3 == 0)
		throw std::runtime_error("zoo " + std::to_string(n));
	return n;
}

__attribute__((noinline)) int catcher(int n)
{
	try {
		return thrower(n);
	} catch (const std::exception &e) {
		return static_cast<int>(e.what()[4]);
	}
}
} // namespace zoo

int main(int argc, char **)
{
	std::map<std::string, int> words;
	unsigned seed = 1;
	long sum = 0;

	std::puts("ready");
	std::fflush(stdout);
	while (std::clock() < 30 * CLOCKS_PER_SEC && argc > 0) {
		std::vector<std::string> items;

		for (int i = 0; i < 500; i++) {
			seed = seed * 1664525u + 1013904223u;
			items.push_back(std::to_string(seed >> 8));
		}
		zoo::Sorter<std::string>().sort(items);
		std::function<void(const std::string &)> count = [&](const std::string &s) {
			words[s.substr(0, 2)]++;
		};
		std::for_each(items.begin(), items.end(), count);
		for (int i = 0; i < 50; i++)
			sum += zoo::catcher(i);
	}
	return sum == 0;
}
