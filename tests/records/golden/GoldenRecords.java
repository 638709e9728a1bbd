import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Base64;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * Produces the golden topics, or reads one back, with the Java client.
 *
 * <pre>
 * GoldenRecords BOOTSTRAP produce        creates and fills all topics, and prints their names
 * GoldenRecords BOOTSTRAP consume TOPIC  prints a JSON object per record, as read_committed sees it
 * </pre>
 *
 * A value above 1,000 bytes is printed as its SHA-256 and size.
 */
public class GoldenRecords {
    private static final long FIRST_TIMESTAMP = 1_700_000_000_000L;

    private final String bootstrap;

    private GoldenRecords(String bootstrap) {
        this.bootstrap = bootstrap;
    }

    public static void main(String[] args) throws Exception {
        var golden = new GoldenRecords(args[0]);
        if (args[1].equals("produce")) {
            golden.produce();
        } else {
            golden.consume(args[2]);
        }
    }

    private void produce() throws Exception {
        for (String codec : List.of("none", "gzip", "snappy", "lz4", "zstd")) {
            produceVariety(create("codec-" + codec, Map.of()), codec);
            produceLarge(create("large-" + codec, Map.of("max.message.bytes", "10000000")), codec);
        }
        produceVariety(create("append-time", Map.of("message.timestamp.type", "LogAppendTime")), "lz4");
        // The records are of 2023, the markers of today: by default that begins a new segment.
        produceTransactions(create("transactions", Map.of("segment.ms", "9223372036854775807")));
        produceToCompact(
                create("compacted", Map.of("cleanup.policy", "compact", "segment.bytes", "1048576",
                        "min.cleanable.dirty.ratio", "0.01", "delete.retention.ms", "0")));
    }

    private String create(String topic, Map<String, String> config) throws Exception {
        try (Admin admin = Admin.create(Map.of("bootstrap.servers", bootstrap))) {
            admin.createTopics(List.of(new NewTopic(topic, 1, (short) 1).configs(config))).all().get();
        }
        System.out.println(topic);
        return topic;
    }

    /** Two batches of records that are null, empty, long, with and without headers. */
    private void produceVariety(String topic, String codec) throws Exception {
        try (var producer = producer(codec, null)) {
            for (int batch = 0; batch < 2; batch++) {
                int first = batch * 9;
                send(producer, topic, first, "key", "value");
                send(producer, topic, first + 1, null, "null key");
                send(producer, topic, first + 2, "null value", null);
                send(producer, topic, first + 3, null, null);
                send(producer, topic, first + 4, "", "");
                send(producer, topic, first + 5, "long value", "x".repeat(900));
                send(producer, topic, first + 6, "headers", "v", "one", "1", "one", "again", "none", null, "empty", "");
                send(producer, topic, first + 7, "unicode", "zażółć ☃ 𝄞", "ключ ☃ 𝄞", "значение", "", "key is empty");
                send(producer, topic, first + 8, "last", "{\"n\": " + first + "}");
                producer.flush();
            }
        }
    }

    private void produceLarge(String topic, String codec) throws Exception {
        try (var producer = producer(codec, null)) {
            send(producer, topic, 0, "small", "before");
            // What compresses badly stays small in the repository; none and snappy have to be a little smaller.
            int size = codec.equals("none") ? 100_000 : 1 << 20;
            send(producer, topic, 1, "large", "0123456789abcdef".repeat(size / 16), "h", "x");
            send(producer, topic, 2, "small", "behind");
            producer.flush();
        }
    }

    /** Two producers interleaved: one aborts, the other commits, and the first commits after its abort. */
    private void produceTransactions(String topic) throws Exception {
        try (var one = producer("lz4", "one"); var two = producer("none", "two"); var plain = producer("zstd", null)) {
            one.initTransactions();
            two.initTransactions();
            one.beginTransaction();
            two.beginTransaction();
            for (int i = 0; i < 3; i++) {
                send(one, topic, i, "one", "aborted " + i);
                one.flush();
                send(two, topic, i, "two", "committed " + i);
                two.flush();
            }
            send(plain, topic, 3, "plain", "between");
            plain.flush();
            one.abortTransaction();
            send(two, topic, 4, "two", "committed behind the other's abort");
            two.commitTransaction();
            one.beginTransaction();
            send(one, topic, 5, "one", "committed after an abort");
            one.commitTransaction();
            two.beginTransaction();
            send(two, topic, 6, "two", "aborted after a commit");
            two.flush();
            two.abortTransaction();
        }
    }

    /** Five keys over and over, so that most records go; then enough bytes to close the segment. */
    private void produceToCompact(String topic) throws Exception {
        try (var producer = producer("none", null)) {
            for (int i = 0; i < 60; i++) {
                send(producer, topic, i, "key-" + (i % 7 == 0 ? i : i % 5), "value " + i);
                if (i % 10 == 9) {
                    producer.flush();
                }
            }
            for (int i = 0; i < 3; i++) {
                send(producer, topic, 60 + i, "filler", "f".repeat(600_000));
                producer.flush();
            }
        }
    }

    private KafkaProducer<byte[], byte[]> producer(String codec, String transactionalId) {
        var config = new Properties();
        config.put("bootstrap.servers", bootstrap);
        config.put("compression.type", codec);
        config.put("linger.ms", "1000"); // a batch ends where flush() says
        config.put("max.request.size", "10000000");
        if (transactionalId != null) {
            config.put("transactional.id", transactionalId);
        }
        return new KafkaProducer<>(config, new ByteArraySerializer(), new ByteArraySerializer());
    }

    /** Headers are names and values in turn. */
    private void send(
            KafkaProducer<byte[], byte[]> producer, String topic, int number, String key, String value, String... headers) {
        var record = new ProducerRecord<>(topic, 0, FIRST_TIMESTAMP + number * 1_001L, bytes(key), bytes(value));
        for (int i = 0; i < headers.length; i += 2) {
            record.headers().add(headers[i], bytes(headers[i + 1]));
        }
        producer.send(record);
    }

    private static byte[] bytes(String text) {
        return text == null ? null : text.getBytes(StandardCharsets.UTF_8);
    }

    private void consume(String topic) throws Exception {
        var config = new Properties();
        config.put("bootstrap.servers", bootstrap);
        config.put("isolation.level", "read_committed");
        var partition = new TopicPartition(topic, 0);
        try (var consumer = new KafkaConsumer<>(config, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
            consumer.assign(List.of(partition));
            consumer.seekToBeginning(List.of(partition));
            long end = consumer.endOffsets(List.of(partition)).get(partition);
            while (consumer.position(partition) < end) {
                for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofSeconds(1))) {
                    System.out.println(asJson(record));
                }
            }
        }
    }

    private static String asJson(ConsumerRecord<byte[], byte[]> record) throws Exception {
        List<String> headers = new ArrayList<>();
        for (Header header : record.headers()) {
            headers.add("[" + quoted(bytes(header.key())) + ", " + quoted(header.value()) + "]");
        }
        return String.format(
                "{\"offset\": %d, \"timestamp_ms\": %d, \"timestamp_type\": %d, \"key\": %s, \"value\": %s, \"headers\": %s}",
                record.offset(),
                record.timestamp(),
                record.timestampType().id,
                quoted(record.key()),
                quoted(record.value()),
                headers);
    }

    private static String quoted(byte[] bytes) throws Exception {
        if (bytes == null) {
            return "null";
        }
        if (bytes.length > 1_000) {
            var digest = MessageDigest.getInstance("SHA-256").digest(bytes);
            return "\"sha256 " + HexFormat.of().formatHex(digest) + " of " + bytes.length + "\"";
        }
        return "\"base64 " + Base64.getEncoder().encodeToString(bytes) + "\"";
    }
}
