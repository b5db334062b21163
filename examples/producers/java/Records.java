import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.concurrent.atomic.AtomicReference;

import com.fasterxml.jackson.databind.ObjectMapper;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.StringSerializer;

/**
 * Writes records to a stream: one JSON object per line of standard input, one message per object.
 *
 * <pre>java -cp 'kafka-jars/*' Records.java BROKERS TOPIC KEY_MEMBER &lt;records.jsonl</pre>
 *
 * Ends with 0 once Kafka has every record, with 1 otherwise: it names the first line that Kafka has not.
 */
public class Records {
    /** A line that Kafka did not take. */
    private record Failure(long line, Exception cause) {
        static Failure first(Failure one, Failure other) {
            return one == null || other.line < one.line ? other : one;
        }
    }

    public static void main(String[] arguments) throws Exception {
        if (arguments.length != 3) {
            System.err.println("usage: Records BROKERS TOPIC KEY_MEMBER <records.jsonl");
            System.exit(2);
        }
        String topic = arguments[1];
        var json = new ObjectMapper();
        var failure = new AtomicReference<Failure>();
        long count = 0;
        var input = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        try (var producer = new KafkaProducer<>(settings(arguments[0]), new StringSerializer(), new StringSerializer())) {
            for (String line; failure.get() == null && (line = input.readLine()) != null; ) {
                long number = ++count;
                String key = json.readTree(line).required(arguments[2]).asText();
                // Blocks while the buffer is full: Kafka is slower than we are.
                producer.send(new ProducerRecord<>(topic, key, line), (metadata, error) -> {
                    if (error != null) {
                        failure.accumulateAndGet(new Failure(number, error), Failure::first);
                    }
                });
            }
            producer.flush();
        }
        if (failure.get() != null) {
            System.err.printf("line %d and perhaps later ones are not in %s: %s%n", failure.get().line, topic,
                    failure.get().cause);
            System.exit(1);
        }
        System.out.printf("%d records are in %s%n", count, topic);
    }

    private static Map<String, Object> settings(String brokers) {
        return Map.of(
                "bootstrap.servers", brokers,
                // What is retried is not written twice, and every replica has it before it counts as written.
                "enable.idempotence", true,
                "acks", "all");
    }
}
