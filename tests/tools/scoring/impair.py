"""impair.py: the same run as it would look through worse captures. Every choice comes from a seed, so it is the same each time."""
# SPDX-License-Identifier: MIT
import glob
import os
import random
import shutil

from . import wire


def cut(first, last):
    """Keeps what lies between two moments; each is a function of the capture's first and last moment."""
    def apply(records, _name):
        if not records:
            return records
        begin, end = records[0].us, records[-1].us
        return [r for r in records if first(begin, end) <= r.us <= last(begin, end)]
    return apply


def lose(percent):
    def apply(records, name):
        choose = random.Random('%s-%d' % (name, percent))
        return [r for r in records if choose.randrange(100) >= percent]
    return apply


def apart(seconds):
    """The clock of what was captured outside is ahead."""
    def apply(records, name):
        shift = 0 if name.endswith('-inside.pcap') else int(seconds * 1e6)
        return [r._replace(us=r.us + shift) for r in records]
    return apply


def disorder(milliseconds):
    """A record comes to the file up to so much late; its time stays."""
    def apply(records, name):
        choose = random.Random('%s-%d' % (name, milliseconds))
        return sorted(records, key=lambda r: r.us + choose.randrange(1000 * milliseconds))
    return apply


def whole_seconds(records, _name):
    return [r._replace(us=r.us // 1_000_000 * 1_000_000) for r in records]


HALF = 15_000_000
# name: what is done to each capture, and by how many seconds its times can be wrong
IMPAIRMENTS = {
    'middle-30s': (cut(lambda b, e: (b + e) // 2 - HALF, lambda b, e: (b + e) // 2 + HALF), 0),
    'last-30s': (cut(lambda b, e: e - 2 * HALF, lambda b, e: e), 0),
    'lost-50': (lose(50), 0),
    'lost-90': (lose(90), 0),
    'clocks-0.5s': (apart(0.5), 0.5),
    'clocks-3s': (apart(3), 3),
    'order-1ms': (disorder(1), 0),
    'order-20ms': (disorder(20), 0),
    'whole-seconds': (whole_seconds, 1),
    'merged': (None, 0),
}


def impair(folder, name, out):
    """Writes the run in folder to out, impaired, and returns by how many seconds its times can be wrong."""
    change, slack = IMPAIRMENTS[name]
    os.makedirs(out, exist_ok=True)
    for path in sorted(glob.glob(os.path.join(folder, '*'))):
        target = os.path.join(out, os.path.basename(path))
        if os.path.isdir(path):
            continue
        if not path.endswith('.pcap') or path.endswith('/inet.pcap'):
            shutil.copyfile(path, target) # inet.pcap is truth
        elif change:
            wire.write(target, change(list(wire.read(path)), os.path.basename(path)))
    if not change: # all vantage points of one side as one capture
        for side in 'inside', 'outside':
            records = [r for path in sorted(glob.glob(os.path.join(folder, 'nat*-%s.pcap' % side))) for r in wire.read(path)]
            wire.write(os.path.join(out, 'all-%s.pcap' % side), sorted(records, key=lambda r: r.us))
    return slack
