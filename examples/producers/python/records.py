"""Writes records to a stream: one JSON object per line of standard input, one message per object.

    python records.py BROKERS TOPIC KEY_MEMBER <records.jsonl

Ends with 0 once Kafka has every record, with 1 otherwise: it names the first line that Kafka has not.
"""

import json
import sys

from confluent_kafka import KafkaException, Producer


def main(brokers, topic, key_member):
    failed = []

    def delivered(number, error):
        if error is not None:
            failed.append((number, error))

    producer = Producer({
        "bootstrap.servers": brokers,
        # What is retried is not written twice, and every replica has it before it counts as written.
        "enable.idempotence": True,
        "acks": "all",
    })
    number = 0
    for number, line in enumerate(sys.stdin, 1):
        record = json.loads(line)
        while True:
            try:
                producer.produce(
                    topic,
                    key=str(record[key_member]),
                    value=line.strip().encode(),
                    on_delivery=lambda error, message, number=number: delivered(number, error),
                )
                break
            except BufferError:
                # Kafka is slower than we are: wait for acknowledgements.
                producer.poll(0.1)
            except KafkaException as error:
                delivered(number, error)
                break
        producer.poll(0)
        if failed:
            break
    producer.flush()
    if failed:
        line, error = min(failed, key=lambda failure: failure[0])
        sys.exit(f"line {line} and perhaps later ones are not in {topic}: {error}")
    print(f"{number} records are in {topic}")


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    main(*sys.argv[1:])
