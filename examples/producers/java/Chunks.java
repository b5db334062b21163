import java.io.BufferedInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.DigestInputStream;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import java.util.zip.CRC32C;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * Loads a file by publishing its chunks: cuts it, seals each chunk, closes the job, and waits for its end.
 *
 * <pre>
 * java -cp 'kafka-jars/*' Chunks.java BROKERS FEED FILE
 * java -cp 'kafka-jars/*' Chunks.java BROKERS FEED FILE --resume JOB     goes on where an earlier run was cut short
 * </pre>
 *
 * For feeds whose records are lines: no quotes, no header. Ends with 0 where the job completed, with 3 where its data
 * stopped it, with 1 where it is not published whole: then the last line says how to go on. The command {@code fabric}
 * must be in the search path, with the settings of the installation.
 */
public class Chunks {
    private static final ObjectMapper JSON = new ObjectMapper();

    /** What a command of fabric's came to: exit code, JSON, and what it said. */
    private record Ran(int code, JsonNode answer, String said) {
    }

    /** This run is to end with that code. */
    private static class Ended extends Exception {
        final int code;

        Ended(int code, String words) {
            super(words);
            this.code = code;
        }
    }

    public static void main(String[] arguments) throws Exception {
        if (arguments.length != 3 && !(arguments.length == 5 && arguments[3].equals("--resume"))) {
            System.err.println("usage: Chunks BROKERS FEED FILE [--resume JOB]");
            System.exit(2);
        }
        try {
            load(arguments[0], arguments[1], Path.of(arguments[2]), arguments.length == 5 ? arguments[4] : null);
        } catch (Ended ended) {
            System.err.println(ended.getMessage());
            System.exit(ended.code);
        }
    }

    private static void load(String brokers, String feed, Path file, String resume) throws Exception {
        String name = file.getFileName().toString();
        JsonNode job = must(resume == null
                ? fabric(null, "jobs", "open", feed, "--name", name)
                : fabric(null, "jobs", "open", "--resume", resume));
        String id = job.get("job").asText();
        String token = job.get("token").asText();
        System.out.printf("job %s  %s%n", id, job.get("goesOn").asBoolean() ? "goes on" : "opened");

        var digest = MessageDigest.getInstance("SHA-256");
        var trouble = new AtomicReference<Ended>();
        var lease = Executors.newSingleThreadScheduledExecutor();
        long every = job.get("leaseSeconds").asLong() * 1000 / 3;
        lease.scheduleWithFixedDelay(() -> renew(job, trouble), every, every, TimeUnit.MILLISECONDS);
        Publication published;
        try (InputStream input = new DigestInputStream(new BufferedInputStream(Files.newInputStream(file)), digest);
                var producer = new KafkaProducer<>(settings(brokers, job), new ByteArraySerializer(), new ByteArraySerializer())) {
            published = new Publication(job, producer, trouble);
            published.publish(input);
        } finally {
            lease.shutdownNow();
        }
        must(fabric(token, "jobs", "close", id, "--chunks", "" + published.chunks, "--records", "" + published.records,
                "--sha256", HexFormat.of().formatHex(digest.digest())));
        Ran waited = fabric(null, "jobs", "wait", id);
        JsonNode report = waited.answer;
        System.out.printf("job %s  %s: %s loaded, %s rejected%n", id, report.get("state").asText(), report.get("loaded"),
                report.get("rejected"));
        if (waited.code != 0) {
            throw new Ended(waited.code, waited.said);
        }
    }

    /** Three times before the lease runs out. */
    private static void renew(JsonNode job, AtomicReference<Ended> trouble) {
        try {
            Ran ran = fabric(job.get("token").asText(), "jobs", "renew", job.get("job").asText(), "--lease",
                    job.get("leaseSeconds").asText() + "s");
            // 3: the job has ended. "another run": ours lost its lease, and the other one goes on with the job.
            if (ran.code == 3 || ran.said.contains("another run")) {
                trouble.compareAndSet(null, new Ended(ran.code, ran.said));
            }
            // Anything else passes: a lease that ran out can be renewed while nobody else took it.
        } catch (Exception error) {
            System.err.println("the lease could not be renewed; trying again: " + error);
        }
    }

    private static Map<String, Object> settings(String brokers, JsonNode job) {
        JsonNode limits = job.get("limits");
        return Map.of(
                "bootstrap.servers", brokers,
                "enable.idempotence", true,
                "acks", "all",
                "max.request.size", limits.get("messageBytes").asInt(),
                // One chunk is a batch of its own: the broker holds a batch, not a message, against its limit.
                "batch.size", limits.get("chunkBytes").asInt(),
                "linger.ms", 0,
                // What is sent and not acknowledged yet. Past it, send() blocks.
                "buffer.memory", 32L << 20,
                "max.block.ms", 120_000);
    }

    /** The chunks of one file, on their way. */
    private static class Publication {
        final JsonNode job;
        final KafkaProducer<byte[], byte[]> producer;
        final AtomicReference<Ended> trouble;
        final List<int[]> loaded = new ArrayList<>();
        final int chunkBytes;
        final int recordBytes;
        final ByteArrayOutputStream payload = new ByteArrayOutputStream();
        int chunks;
        long records;
        /** Of the chunk that is being filled. */
        int count;
        int blanks;
        int lines;
        long firstRecord = 1;
        long firstLine = 1;
        long firstByte;

        Publication(JsonNode job, KafkaProducer<byte[], byte[]> producer, AtomicReference<Ended> trouble) throws Ended {
            this.job = job;
            this.producer = producer;
            this.trouble = trouble;
            JsonNode layout = job.get("layout");
            if (layout.get("header").asBoolean() || !layout.get("quote").isNull()) {
                throw new Ended(2, "this program reads files without header and quotes alone: take chunks.py");
            }
            chunkBytes = job.get("limits").get("chunkBytes").asInt();
            recordBytes = job.get("limits").get("recordBytes").asInt();
            job.get("loaded").forEach(range -> loaded.add(new int[] {range.get(0).asInt(), range.get(1).asInt()}));
        }

        void publish(InputStream input) throws IOException, Ended {
            var record = new ByteArrayOutputStream();
            for (int octet; (octet = input.read()) >= 0; ) {
                record.write(octet);
                if (record.size() > recordBytes) {
                    throw new Ended(3, "job " + job.get("job") + ": a record has more than " + recordBytes
                            + " bytes: load this file with `fabric ingest`, which rejects that record alone");
                }
                if (octet == '\n') {
                    add(record.toByteArray());
                    record.reset();
                }
            }
            if (record.size() > 0) {
                add(record.toByteArray());
            }
            if (payload.size() > 0) {
                send();
            }
            // A job is closed once every chunk is acknowledged, and not before.
            producer.flush();
            check();
        }

        private void add(byte[] record) throws Ended {
            if (payload.size() > 0 && payload.size() + record.length > chunkBytes) {
                send();
            }
            payload.writeBytes(record);
            boolean blank = record[0] == '\n' || (record.length == 2 && record[0] == '\r' && record[1] == '\n');
            count += blank ? 0 : 1;
            blanks += blank ? 1 : 0;
            lines++;
        }

        private void send() throws Ended {
            check();
            int seq = chunks++;
            byte[] source = payload.toByteArray();
            if (loaded.stream().noneMatch(range -> range[0] <= seq && seq <= range[1])) {
                int partition = seq % job.get("partitions").asInt();
                var message = new ProducerRecord<byte[], byte[]>(job.get("topic").asText(), partition, null, seal(seq, source));
                message.headers().add("job", job.get("job").asText().getBytes());
                message.headers().add("seq", Integer.toString(seq).getBytes());
                producer.send(message, (metadata, error) -> {
                    if (error != null) {
                        trouble.compareAndSet(null, notWhole(error));
                    }
                });
            }
            records += count;
            firstRecord += count;
            firstLine += lines;
            firstByte += source.length;
            payload.reset();
            count = blanks = lines = 0;
        }

        private Ended notWhole(Exception error) {
            String id = job.get("job").asText();
            return new Ended(1, "job " + id + " is not published whole: " + error + ". Run this again with --resume " + id);
        }

        private void check() throws Ended {
            if (trouble.get() != null) {
                throw trouble.get();
            }
        }

        /** Avro single-object encoding of a chunk, its fields in the order of the schema. */
        private byte[] seal(int seq, byte[] source) {
            var hex = HexFormat.of();
            var checksum = new CRC32C();
            checksum.update(source);
            var message = new ByteArrayOutputStream(source.length + 160);
            message.writeBytes(hex.parseHex(job.get("schema").get("messageHead").asText()));
            varint(message, job.get("job").asLong());
            varint(message, seq);
            message.writeBytes(hex.parseHex(job.get("token").asText()));
            varint(message, firstRecord);
            varint(message, firstLine);
            varint(message, firstByte);
            varint(message, source.length); // span
            varint(message, count);
            varint(message, blanks);
            varint(message, 0); // ending: WHOLE
            varint(message, 0); // overlongLength
            varint(message, checksum.getValue());
            varint(message, 0); // context: no bytes
            varint(message, source.length);
            message.writeBytes(source);
            return message.toByteArray();
        }

        /** Avro's int and long: zigzag, then seven bits a byte, lowest first. */
        private static void varint(ByteArrayOutputStream out, long value) {
            long rest = (value << 1) ^ (value >> 63);
            while ((rest & ~0x7fL) != 0) {
                out.write((int) (rest & 0x7f | 0x80));
                rest >>>= 7;
            }
            out.write((int) rest);
        }
    }

    private static JsonNode must(Ran ran) throws Ended {
        if (ran.code != 0) {
            throw new Ended(ran.code, ran.said);
        }
        return ran.answer;
    }

    private static Ran fabric(String token, String... arguments) throws IOException, InterruptedException {
        var command = new ArrayList<>(List.of("fabric"));
        command.addAll(List.of(arguments));
        command.add("--json");
        Path said = Files.createTempFile("fabric", ".said");
        try {
            var builder = new ProcessBuilder(command).redirectError(said.toFile());
            if (token != null) {
                builder.environment().put("FABRIC_JOB_TOKEN", token);
            }
            Process process = builder.start();
            byte[] out = process.getInputStream().readAllBytes();
            int code = process.waitFor();
            return new Ran(code, out.length == 0 ? null : JSON.readTree(out), Files.readString(said).strip());
        } finally {
            Files.delete(said);
        }
    }
}
