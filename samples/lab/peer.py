#!/usr/bin/python3
"""libtorrent for the lab, and the torrents' content.

  peer.py make DIR NAME BYTES                    DIR/NAME and DIR/NAME.torrent, the same bytes every time
  peer.py herd --boot EPS --log FILE EPS...      a DHT node for each EPS (host:port, several with commas)
  peer.py client --listen EPS --boot EPS --log FILE --save DIR [--items] [--read-only] TORRENT...

--items makes the client store and fetch DHT items (BEP 44) and sample infohashes (BEP 51), every 15 seconds.
"""
# SPDX-License-Identifier: MIT
import argparse
import hashlib
import os
import signal
import sys
import time

PIECE = 32768
# the key pair of BEP 44's test vectors
PUBLIC = bytes.fromhex('77ff84905a91936367c01360803104f92432fcd904a43511876df5cdf3e7e548')
PRIVATE = bytes.fromhex('e06d3183d14159228433ed599221b80bd0a5ce8352e4bdf0262f76786ef1c74d'
                        'b7e7a9fea2c0eb269d61e3b38e450a22e754941ac78479d6c54e1faf6037881d')


def make(directory, name, size):
    blocks = range(size // 32)
    data = b''.join(hashlib.sha256(b'%s-%d' % (name.encode(), i)).digest() for i in blocks)
    pieces = b''.join(hashlib.sha1(data[i:i + PIECE]).digest() for i in range(0, len(data), PIECE))
    info = b'd6:lengthi%de4:name%d:%s12:piece lengthi%de6:pieces%d:%se' % (
        len(data), len(name), name.encode(), PIECE, len(pieces), pieces)
    with open(os.path.join(directory, name), 'wb') as f:
        f.write(data)
    with open(os.path.join(directory, name + '.torrent'), 'wb') as f:
        f.write(b'd4:info%se' % info)


def session(listen, boot, read_only=False):
    import libtorrent as lt
    kind = lt.alert.category_t
    return lt.session({
        'listen_interfaces': listen, 'dht_bootstrap_nodes': boot, 'dht_read_only': read_only,
        'enable_dht': True, 'enable_lsd': False, 'enable_upnp': False, 'enable_natpmp': False,
        # few networks and several clients behind one address: without the limits against floods and Sybils
        'dht_restrict_routing_ips': False, 'dht_restrict_search_ips': False, 'dht_ignore_dark_internet': False,
        'dht_block_ratelimit': 1000, 'dht_upload_rate_limit': 100000, 'allow_multiple_connections_per_ip': True,
        'out_enc_policy': lt.enc_policy.disabled, 'in_enc_policy': lt.enc_policy.disabled,
        'alert_mask': kind.status_notification | kind.error_notification | kind.dht_notification | kind.peer_notification,
    })


def items(s, turn, boot):
    import libtorrent as lt
    key = s.dht_put_immutable_item(b'krpcscope lab %d' % turn)
    s.dht_put_mutable_item(PRIVATE, PUBLIC, b'Hello World!', b'' if turn % 2 else b'foobar')
    s.dht_get_mutable_item(PUBLIC, b'' if turn % 2 else b'foobar')
    s.dht_get_immutable_item(key)
    host, port = boot.split(',')[0].rsplit(':', 1)
    s.dht_sample_infohashes((host, int(port)), lt.sha1_hash(hashlib.sha1(b'%d' % turn).digest()))


def serve(sessions, handles, log, boot, with_items):
    begun, reported, turn = time.time(), 0, 0
    while True:
        for s in sessions:
            for alert in s.pop_alerts():
                print('%8.2f %s: %s' % (time.time() - begun, type(alert).__name__, alert.message()), file=log)
        if time.time() - reported > 15:
            reported = time.time()
            for h in handles:
                st = h.status()
                print('%8.2f %s %s %.0f%% peers %d' % (reported - begun, st.name, st.state, 100 * st.progress, st.num_peers), file=log)
            if with_items:
                items(sessions[0], turn, boot)
                turn += 1
        time.sleep(0.3)


def main():
    if sys.argv[1:2] == ['make'] and len(sys.argv) == 5:
        return make(sys.argv[2], sys.argv[3], int(sys.argv[4]))
    p = argparse.ArgumentParser(usage=__doc__)
    p.add_argument('what', choices=('herd', 'client'))
    p.add_argument('--listen')
    p.add_argument('--boot', required=True)
    p.add_argument('--log', required=True)
    p.add_argument('--save', default='.')
    p.add_argument('--items', action='store_true')
    p.add_argument('--read-only', action='store_true')
    p.add_argument('rest', nargs='*')
    o = p.parse_intermixed_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with open(o.log, 'w', buffering=1) as log:
        if o.what == 'herd':
            return serve([session(x, o.boot) for x in o.rest], [], log, o.boot, False)
        import libtorrent as lt
        s = session(o.listen, o.boot, o.read_only)
        handles = [s.add_torrent({'ti': lt.torrent_info(t), 'save_path': o.save}) for t in o.rest]
        return serve([s], handles, log, o.boot, o.items)


if __name__ == '__main__':
    sys.exit(main())
