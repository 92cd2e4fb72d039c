/* SPDX-License-Identifier: Apache-2.0 */
typedef int fg_profiler_placeholder;
