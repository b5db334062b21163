"""Loads a file by publishing its chunks: cuts it, seals each chunk, closes the job, and waits for its end.

    python chunks.py BROKERS FEED FILE
    python chunks.py BROKERS FEED FILE --resume JOB     goes on where an earlier run was cut short

Ends with 0 where the job completed, with 3 where its data stopped it, with 1 where it is not published whole: then the
last line says how to go on. The command `fabric` must be in the search path, with the settings of the installation.
"""

import argparse
import hashlib
import io
import json
import os
import subprocess
import sys
import threading

import fastavro
import google_crc32c
from confluent_kafka import KafkaException, Producer

BOM = b"\xef\xbb\xbf"


class GivenUp(Exception):
    """The job takes no more from this run; `code` is what the process ends with."""

    def __init__(self, words, code):
        super().__init__(words)
        self.code = code


def fabric(*arguments, token=None):
    """Runs a command of fabric's; answers its exit code, its JSON and what it said."""
    environment = dict(os.environ, **({"FABRIC_JOB_TOKEN": token} if token else {}))
    ran = subprocess.run(["fabric", *map(str, arguments), "--json"], env=environment, capture_output=True)
    answer = json.loads(ran.stdout) if ran.stdout.strip() else None
    return ran.returncode, answer, ran.stderr.decode().strip()


class Lease:
    """Renewed by a thread for as long as we publish."""

    def __init__(self, job):
        self.job = job
        self.lost = None
        self.done = threading.Event()
        self.thread = threading.Thread(target=self.keep, daemon=True)

    def keep(self):
        # Three tries before it runs out.
        while not self.done.wait(self.job["leaseSeconds"] / 3):
            code, _, said = fabric("jobs", "renew", self.job["job"], "--lease", f"{self.job['leaseSeconds']}s",
                                   token=self.job["token"])
            # 3: the job has ended. "another run": ours lost its lease, and the other one goes on with the job.
            if code == 3 or "another run" in said:
                self.lost = GivenUp(said, 3 if code == 3 else 1)
                return
            # Anything else passes: a lease that ran out can be renewed while nobody else took it.

    def check(self):
        if self.lost:
            raise self.lost

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.done.set()
        self.thread.join()


def records(file, quote, longest):
    """Whole records: a line end inside quotes ends none. Holds one record at most."""
    record, open_quote = b"", False
    while line := file.readline(longest + 1):
        record += line
        open_quote ^= bool(quote) and line.count(quote) % 2 == 1
        if len(record) > longest:
            raise GivenUp(f"a record has more than {longest} bytes, or its quote does not close: load this file with "
                          "`fabric ingest`, which rejects that record alone", 3)
        if line.endswith(b"\n") and not open_quote:
            yield record
            record = b""
    if open_quote:
        raise GivenUp("the last quote does not close: load this file with `fabric ingest`, which rejects one line", 3)
    if record:
        yield record


def cut(file, layout, limits):
    """Cuts a file into chunks: dictionaries with all that the schema asks for, but job and token."""
    at = {"seq": 0, "firstRecord": 1, "firstLine": 1, "firstByte": 3 if file.read(3) == BOM else 0}
    file.seek(at["firstByte"])
    header = b""
    payload, count, blanks = bytearray(), 0, 0

    def chunk():
        source = bytes(payload)
        sealed = dict(at, span=len(source), records=count, blanks=blanks, ending="WHOLE", overlongLength=0,
                      crc32c=google_crc32c.value(header + source), context=header, payload=source)
        at["seq"] += 1
        at["firstRecord"] += count
        at["firstLine"] += source.count(b"\n")
        at["firstByte"] += len(source)
        return sealed

    for record in records(file, (layout["quote"] or "").encode(), limits["recordBytes"]):
        blank = record in (b"\n", b"\r\n")
        if layout["header"] and not header:
            # The header is no record and in no payload: every chunk carries it as its context.
            header = b"" if blank else record
            at["firstLine"] += record.count(b"\n")
            at["firstByte"] += len(record)
            continue
        if payload and len(payload) + len(record) > limits["chunkBytes"]:
            yield chunk()
            payload, count, blanks = bytearray(), 0, 0
        payload += record
        count += not blank
        blanks += blank
    if payload:
        yield chunk()


def encode(job, chunk, schema):
    """Avro single-object encoding: the head, then the body."""
    message = io.BytesIO()
    message.write(bytes.fromhex(job["schema"]["messageHead"]))
    fields = dict(chunk, job=job["job"], token=bytes.fromhex(job["token"]))
    fastavro.schemaless_writer(message, schema, fields)
    return message.getvalue()


def publish(brokers, job, file, lease):
    """Publishes every chunk that is not loaded yet; answers how many chunks and records the file has."""
    failed = []
    producer = Producer({
        "bootstrap.servers": brokers,
        "enable.idempotence": True,
        "acks": "all",
        # One chunk is a batch of its own: the broker holds a batch, not a message, against its limit.
        "message.max.bytes": job["limits"]["messageBytes"],
        "batch.size": job["limits"]["chunkBytes"],
        "linger.ms": 0,
        # What is sent and not acknowledged yet: 32 MiB.
        "queue.buffering.max.kbytes": 32 << 10,
    })
    schema = fastavro.parse_schema(job["schema"]["definition"])
    chunks = count = 0
    for chunk in cut(file, job["layout"], job["limits"]):
        chunks += 1
        count += chunk["records"]
        if any(first <= chunk["seq"] <= last for first, last in job["loaded"]):
            continue
        while True:
            lease.check()
            if failed:
                raise KafkaException(failed[0])
            try:
                producer.produce(
                    job["topic"],
                    value=encode(job, chunk, schema),
                    partition=chunk["seq"] % job["partitions"],
                    headers={"job": str(job["job"]), "seq": str(chunk["seq"])},
                    on_delivery=lambda error, message: failed.append(error) if error else None,
                )
                break
            except BufferError:
                producer.poll(0.1)
        producer.poll(0)
    # A job is closed once every chunk is acknowledged, and not before.
    while producer.flush(1) > 0:
        lease.check()
    if failed:
        raise KafkaException(failed[0])
    return chunks, count


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("brokers")
    parser.add_argument("feed")
    parser.add_argument("file")
    parser.add_argument("--resume", type=int)
    arguments = parser.parse_args()
    with open(arguments.file, "rb") as file:
        content = hashlib.file_digest(file, "sha256").hexdigest()
        file.seek(0)
        which = ["--resume", arguments.resume] if arguments.resume else \
            [arguments.feed, "--name", os.path.basename(arguments.file), "--sha256", content]
        code, job, said = fabric("jobs", "open", *which)
        if code != 0:
            # 3: the file was loaded before.
            print(said, file=sys.stderr)
            return code
        print(f"job {job['job']}  {'goes on' if job['goesOn'] else 'opened'}")
        try:
            with Lease(job) as lease:
                chunks, count = publish(arguments.brokers, job, file, lease)
        except GivenUp as error:
            print(f"job {job['job']}: {error}", file=sys.stderr)
            return error.code
        except KafkaException as error:
            print(f"job {job['job']} is not published whole: {error}. Run this again with --resume {job['job']}",
                  file=sys.stderr)
            return 1
    code, _, said = fabric("jobs", "close", job["job"], "--chunks", chunks, "--records", count, "--sha256", content,
                           token=job["token"])
    if code != 0:
        print(said, file=sys.stderr)
        return code
    code, report, said = fabric("jobs", "wait", job["job"])
    print(f"job {job['job']}  {report['state']}: {report['loaded']} loaded, {report['rejected']} rejected")
    return code


if __name__ == "__main__":
    sys.exit(main())
