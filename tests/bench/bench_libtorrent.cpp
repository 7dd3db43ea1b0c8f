// bench_libtorrent.cpp: lt::bdecode as libtorrent's DHT calls it, for bench_codec.
//
// SPDX-License-Identifier: MIT
#include <libtorrent/bdecode.hpp>
#include <libtorrent/error_code.hpp>
#include <libtorrent/version.hpp>

extern "C" {
const char *bench_libtorrent_version = LIBTORRENT_VERSION;

int bench_libtorrent_bdecode(const char *data, size_t len, int depth, int tokens)
{
    static lt::bdecode_node node; // used again for each message, as in dht_tracker.cpp
    lt::error_code ec;
    int pos = 0;

    return lt::bdecode(data, data + len, node, ec, &pos, depth, tokens);
}
}
