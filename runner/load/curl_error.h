/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From libcurl's result codes to the kinds of error that a run counts (k6's error codes).
 * Internal to engine_curl.
 */
#ifndef FG_LOAD_CURL_ERROR_H
#define FG_LOAD_CURL_ERROR_H

#include <curl/curl.h>

#include "gate/measure/metric.h"

/** `connected`: the request got as far as an open connection; `os_errno`: CURLINFO_OS_ERRNO. */
enum fg_net_error fg_curl_error(CURLcode code, bool connected, long os_errno);

#endif
