"""Cycles a packet of a process that polls: TSC ticks for which its busiest thread had its CPU, over packets that left
meanwhile, so that other processes on that CPU count for little."""
import os
import re
import subprocess
import time

SETTLE_S, MEASURE_S = 1.0, 2.0


def tsc_hz():
    """BogoMIPS is twice the TSC rate in MHz."""
    with open("/proc/cpuinfo") as f:
        return float(re.search(r"bogomips\s*:\s*([\d.]+)", f.read()).group(1)) * 1e6 / 2


def end(process):
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def cycles(process, packets):
    """Over MEASURE_S, after SETTLE_S. packets(): how many have left."""
    def now():
        ran = {}
        for task in os.listdir("/proc/%d/task" % process.pid):
            with open("/proc/%d/task/%s/schedstat" % (process.pid, task)) as f:
                ran[task] = int(f.read().split()[0])
        return packets(), ran

    time.sleep(SETTLE_S)
    first = now()
    time.sleep(MEASURE_S)
    last = now()
    ran_s = max(ns - first[1].get(task, 0) for task, ns in last[1].items()) / 1e9
    return ran_s * tsc_hz() / max(last[0] - first[0], 1)
