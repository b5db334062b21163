import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.admin.Admin;

/** Removes the topics whose names begin with a prefix: RemoveTopics BROKERS PREFIX. */
class RemoveTopics {
    public static void main(String[] arguments) throws Exception {
        try (var admin = Admin.create(Map.<String, Object>of("bootstrap.servers", arguments[0]))) {
            var names = admin.listTopics().names().get(30, TimeUnit.SECONDS);
            names.removeIf(name -> !name.startsWith(arguments[1]));
            admin.deleteTopics(names).all().get(30, TimeUnit.SECONDS);
        }
    }
}
