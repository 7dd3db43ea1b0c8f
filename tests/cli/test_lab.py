#!/usr/bin/env python3
"""test_lab.py: samples/lab/lab with only the nodes of the draft, and that it ends clean whenever it is interrupted.

One run of `nodes` goes on until its captures show what the draft promises; meanwhile others begin beside it and end at
several moments, by themselves, by a signal, by two, by `lab down` and by SIGKILL. Skipped without root, without namespaces,
or where a program that the lab needs is missing.
SPDX-License-Identifier: GPL-2.0-or-later
"""
import collections
import datetime
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import time

LAB = os.path.join(os.environ["SAMPLES"], "lab", "lab")
NODE = os.path.join(os.environ["BUILD_DIR"], "krpc-node")
STATE = pathlib.Path("/run/krpcscope-lab")
INSIDE = "172.16.0.21"  # the node behind NAT c
NAT_C, NAT_D, NAT_F, DEAF = "192.0.2.103", "203.0.113.104", "192.0.2.107", "192.0.2.83"
runs = []
WAIT = 1800   # seconds after which the test gives up; on a busy machine everything takes long
AGAIN = 900   # seconds: after so long the draft allows to try a port once more


def check(good, what):
    if not good:
        sys.exit(what)


def begin(out, seconds):
    command = [LAB, "run", "--scenario", "nodes", "--seconds", str(seconds), "--node", NODE, "--out", str(out)]
    runs.append(subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True))
    return runs[-1]


def begun(run):
    """What a run says first: its number, or why there is none."""
    said = run.stderr.readline()
    check(said == f"lab: run {run.pid}\n" or run.wait(WAIT) == 2, f"begins with: {said}")
    return said


def listed():
    """Each scenario has a line that says how long it takes and what it is."""
    said = subprocess.run([LAB, "--list"], stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines()
    names = subprocess.run([LAB, "--names"], stdout=subprocess.PIPE, text=True, check=True).stdout.split()
    lines = [re.fullmatch(r"([a-z0-9-]+) +(\d+) s +\S.*", line) for line in said]
    check(all(lines) and [m[1] for m in lines] == names and all(int(m[2]) <= 200 for m in lines), f"lab --list: {said}")


def no_namespaces():
    return os.getuid() != 0 or subprocess.run(
        ["unshare", "--net", "--mount", "--pid", "--fork", "--mount-proc", "mount", "-t", "tmpfs", "x", "/run"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode != 0


def left_of(folder):
    """What still names the folder of the captures: processes; and what only a lab makes on the machine itself."""
    left = []
    for line in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = line.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if str(folder) in command and line.parent.name != str(os.getpid()):
            left.append(command)
    links = set(os.listdir("/sys/class/net"))
    left += sorted(x for x in links if x in ("in0", "out0", "br0") or re.match(r"v-([cdf]|pub|boot)\b", x))
    left += [x for x in pathlib.Path("/proc/self/mounts").read_text().splitlines() if x.startswith("lab ")]
    return left


def end_at(folder, name, moment, *signals, run=None):
    """A run, a new one unless it is given, that is ended so many seconds after it has said its number, or after its start.
    Which moment of the run that is depends on the machine; what must hold afterwards holds at any moment."""
    if run is None:
        run = begin(folder / name, 2 * WAIT)
        if name != "at-once":
            begun(run)
    time.sleep(moment)
    if signals == ("down",):
        deadline, said = time.monotonic() + WAIT, "only begins"
        while "only begins" in said and time.monotonic() < deadline:
            done = subprocess.run([LAB, "down", str(run.pid)], stderr=subprocess.PIPE, text=True, timeout=WAIT)
            said = done.stderr
        check(done.returncode == 0 and f"ended {run.pid}\n" in done.stderr, f"{name}: lab down: {done.stderr}")
    for s in signals:
        if s != "down":
            run.send_signal(s)
            time.sleep(0.2)
    return name, run, signals


def ended(name, run, signals):
    said = run.communicate(timeout=WAIT)[1]
    if signals == (signal.SIGKILL,):
        check(run.returncode == -signal.SIGKILL, f"{name}: {run.returncode}")
        return
    if name == "at-once" and run.returncode == -signal.SIGTERM:
        return  # the shell had read nothing yet; a SIGINT it might forget in that state
    check(run.returncode != 0, f"{name}: an interrupted run ends with 0: {said}")
    if len(signals) == 1:
        check(run.returncode == 130 and "interrupted" in said, f"{name}: {run.returncode}: {said}")
    check("processes left" not in said, f"{name}: {said}")


def records(command, capture):
    out = subprocess.run([os.environ["KRPCSCOPE"], command, "--format", "ndjson", str(capture)], stdout=subprocess.PIPE).stdout
    return [json.loads(line) for line in out.splitlines()]


def honoured(capture, channel, port):
    return any(r["type"] == "advert" and r["channel"] == channel and r["advertised_port"] == port and r["honoured"] == "honoured"
               for r in records("ports", capture))


def queries_to(capture, ip, port):
    return [r for r in records("decode", capture) if r.get("y") == "q" and (r["dest_ip"], r["dest_port"]) == (ip, port)]


def nat_of_c(out):
    """What is said of the node behind NAT c from inside."""
    for r in records("nodes", out / "natc-inside.pcap"):
        if r["type"] == "node" and r["ip"] == INSIDE:
            return r["nat"]
    return {"port": "unknown", "external": []}


def seen(out):
    """Whether the captures show it already: p and contact honoured, and a port that is not forwarded tried by all."""
    files = [out / name for name in ("natf-outside.pcap", "natd-outside.pcap", "natc-outside.pcap")]
    if not all(f.exists() and f.stat().st_size > 24 for f in files):
        return False
    return (nat_of_c(out)["port"] != "unknown" and honoured(files[0], "p", 6902) and len(queries_to(files[0], NAT_F, 6902)) > 3 and
            honoured(files[1], "contact", 6901) and len(queries_to(files[1], NAT_D, 6901)) > 1 and
            len(queries_to(files[2], NAT_C, 6901)) >= 3)


def look_at(out):
    """The captures of a whole run: the forwarded ports were said, tried and asked, and nothing else was."""
    deaf = [r for r in queries_to(out / "natf-outside.pcap", NAT_F, 6902) if r["src_ip"] == DEAF]
    check(all(r["q"] != "ping" for r in deaf), "--ignore follows p")  # it may have heard of that port from others
    mistaken = queries_to(out / "natc-outside.pcap", NAT_C, 6901)
    check(all(r["q"] == "ping" for r in mistaken), "a port that is not forwarded got more than pings")
    tried = collections.defaultdict(list)
    for r in mistaken:
        tried[r["a"]["id"]].append(datetime.datetime.strptime(r["timestamp"], "%Y-%m-%dT%H:%M:%S.%f%z").timestamp())
    check(all(b - a > AGAIN - 1 for times in tried.values() for a, b in zip(times, times[1:])),
          f"a port that is not forwarded was tried twice: {dict(tried)}")
    for name in "natf", "natd", "natc":
        check("udp" in (out / f"{name}-conntrack.log").read_text(), f"{name}: no log of the connection tracking")
        check((out / f"{name}-inside.pcap").stat().st_size > 24, f"{name}: nothing inside")
    score = subprocess.run([sys.executable, pathlib.Path(__file__).parents[1] / "tools" / "score", "--nat", "c", out], stdout=subprocess.PIPE, text=True).stdout
    for view in "inside", "both":  # right, false and unknown verdicts: port, addresses, mapping, ..., advert as the eighth
        row = re.search(rf"^\| whole \| {view} \|(.*)", score, re.M)[1].replace("*", "").replace("-", "0 / 0 / 0").split("|")
        port, mapping, advert = ([int(n) for n in row[i].split("/")] for i in (0, 2, 7))
        # A witness behind the forwarded port names a port that its own router made up. Where that falls between two honest
        # ones, those inside cannot tell who is right. How many nodes answer is chance, and a mapping needs three. Nothing else
        # may leave it open.
        seen_at = nat_of_c(out)["external"]
        unknown = view == "inside" and (len(seen_at) > 1 or seen_at[0]["observers"] < 3)
        check(port == [1, 0, 0] and mapping[1] == 0 and mapping[2] <= unknown and advert[0] > 0 and advert[1] == 0, f"score: {score}")


def main():
    listed()
    if no_namespaces():
        print("skipped: this needs root and namespaces")
        sys.exit(77)
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name).resolve()
        whole = begin(folder / "whole", 2 * WAIT)
        said = begun(whole)
        if whole.poll() is not None:
            print("skipped:", said.strip())
            sys.exit(77 if "missing:" in said else 1)
        others = [end_at(folder, "at-once", 0.1, signal.SIGTERM)]
        others += [end_at(folder, "building", 1, signal.SIGINT), end_at(folder, "twice", 1, signal.SIGINT, signal.SIGINT),
                   end_at(folder, "killed", 1, signal.SIGKILL), end_at(folder, "down", 2, "down")]
        for other in others:
            ended(*other)
        short = begin(folder / "short", 1)
        said = short.communicate(timeout=WAIT)[1]
        check(short.returncode == 0 and ", 0 dropped" in (folder / "short" / "run.txt").read_text(), f"a run of 1 s: {said}")
        deadline = time.monotonic() + WAIT
        while not seen(folder / "whole") and time.monotonic() < deadline:
            time.sleep(0.3)
        ended(*end_at(folder, "whole", 0, "down", run=whole))
        check(seen(folder / "whole"), "the captures do not show the proposal at work")
        look_at(folder / "whole")
        while (left := left_of(folder)) and time.monotonic() < deadline:  # the killed one ends by itself
            time.sleep(0.3)
        check(not left, f"left: {left}")
        subprocess.run([LAB, "status"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # tidies up after the killed one
        mine = {str(run.pid) for run in runs}
        check(not STATE.exists() or not mine & set(os.listdir(STATE)), f"left in {STATE}")
    print(f"two runs, {len(others)} interrupted beside them, nothing left")


if __name__ == "__main__":
    try:
        main()
    finally:
        for run in runs:
            if run.poll() is None:
                run.terminate()
