import java.io.IOException;
import java.net.URI;
import java.net.URLEncoder;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Set;

/** A shop's side of orderschedd over HTTP, with the JDK alone (17 or newer).
 *
 * <pre>
 * javac -d classes *.java
 * export ORDERSCHED_URLS=http://127.0.0.1:7402,http://127.0.0.1:7412,http://127.0.0.1:7422
 * java -cp classes Client schedule order-1 30m cancel-unpaid '{"sku":7}'
 * java -cp classes Client pay order-1
 * java -cp classes Client work warehouse shop.inbox       # cancels what is due, until SIGTERM
 * </pre>
 *
 * Any node takes any request, so the next one is asked where one does not answer. Exit code 1: refused for good; 3:
 * unknown, the time ran out. ORDERSCHED_TOKEN is sent where it is set. */
public final class Client {
    private static final long PATIENCE_MS = 30000; // of a call, with all its attempts
    private final HttpClient http =
            HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).connectTimeout(Duration.ofSeconds(2)).build();
    private final String[] urls = System.getenv().getOrDefault("ORDERSCHED_URLS", "http://127.0.0.1:7402").split(",");
    private final String token = System.getenv("ORDERSCHED_TOKEN");

    /** It did not happen, and no copy of it will: the problem says why, and how the order stands. */
    static final class Refused extends Exception {
        Refused(Object problem) {
            super(Json.get(problem, "error") + " the order is "
                    + (Json.get(problem, "order") == null ? "not known" : Json.get(problem, "order", "state")));
        }
    }

    /** It may have happened or not. Call again with the same arguments, or read the order. */
    static final class Unknown extends Exception {
    }

    /** One request, repeated as it is on the next node until it is answered. So give it only what may be repeated: PUT,
     * pay, cancel, settle, reads; all else wants an Idempotency-Key. */
    Object call(String method, String path, String body, int timeoutS) throws Refused, Unknown, InterruptedException {
        long until = System.nanoTime() / 1000000 + PATIENCE_MS;
        for (int attempt = 0;; attempt++) {
            HttpRequest.Builder request = HttpRequest.newBuilder(URI.create(urls[attempt % urls.length] + path))
                    .method(method, HttpRequest.BodyPublishers.ofString(body))
                    .header("Content-Type", "application/json")
                    .timeout(Duration.ofSeconds(timeoutS));
            if (token != null) {
                request.header("Authorization", "Bearer " + token);
            }
            long pauseMs = 200;
            try {
                HttpResponse<String> answer = http.send(request.build(), HttpResponse.BodyHandlers.ofString());
                if (answer.statusCode() / 100 == 2) {
                    return Json.read(answer.body());
                }
                if (!Set.of(429, 503, 504).contains(answer.statusCode())) {
                    throw new Refused(Json.read(answer.body()));
                }
                pauseMs = answer.headers().firstValueAsLong("Retry-After").orElse(0) * 1000 + 200;
            } catch (IOException | IllegalArgumentException why) {
                // no connection, or no whole answer
            }
            if (System.nanoTime() / 1000000 + pauseMs > until) {
                throw new Unknown();
            }
            Thread.sleep(pauseMs);
        }
    }

    private static String path(String order) {
        return "/v1/orders/" + URLEncoder.encode(order, StandardCharsets.UTF_8).replace("+", "%20");
    }

    Object schedule(String order, String delay, String route, String payload) throws Exception {
        return call("PUT", path(order), "{\"delay\":" + Json.quote(delay) + ",\"route\":" + Json.quote(route)
                + ",\"payload\":" + payload + "}", 10);
    }

    Object pay(String order) throws Exception {
        return call("POST", path(order) + "/pay", "{}", 10);
    }

    /** Once, however often the order is given out. Here you would first close the payment at the platform:
     * docs/callbacks.md. */
    private static String cancelOnce(Inbox inbox, Object job) throws IOException {
        String key = (String) Json.get(job, "key");
        if (inbox.before(key) == null) {
            inbox.record(key, "expired", String.valueOf(Json.get(job, "id")), null);
        }
        return "{\"token\":" + Json.quote((String) Json.get(job, "token")) + ",\"outcome\":\"expired\"}";
    }

    void work(String route, Path path) throws Exception {
        Inbox inbox = new Inbox(path);
        while (true) {
            try {
                List<?> jobs = (List<?>) Json.get(call("POST", "/v1/routes/" + route + "/reserve",
                        "{\"max\":10,\"wait\":\"20s\",\"worker\":\"java\"}", 25), "jobs");
                if (jobs.isEmpty()) {
                    continue;
                }
                StringBuilder reports = new StringBuilder();
                for (Object job : jobs) {
                    reports.append(reports.isEmpty() ? "" : ",").append(cancelOnce(inbox, job));
                }
                Object settled = call("POST", "/v1/routes/" + route + "/settle", "{\"reports\":[" + reports + "]}", 10);
                List<?> results = (List<?>) Json.get(settled, "results");
                for (int i = 0; i < jobs.size(); i++) {
                    boolean done = "OK".equals(Json.get(results.get(i), "error"));
                    System.out.println(Json.get(jobs.get(i), "id") + " "
                            + (done ? Json.get(results.get(i), "state") : "comes again"));
                }
            } catch (Unknown why) {
                // what was reserved comes again, under the same keys
            }
        }
    }

    public static void main(String[] args) throws Exception {
        Client client = new Client();
        try {
            switch (args.length == 0 ? "" : args[0] + " " + args.length) {
                case "schedule 5" -> {
                    Object answer = client.schedule(args[1], args[2], args[3], args[4]);
                    System.out.println(Json.get(answer, "state") + " "
                            + ((Double) Json.get(answer, "remaining_ms")).longValue() + " ms left");
                }
                case "pay 2" -> System.out.println(Json.get(client.pay(args[1]), "state"));
                case "work 3" -> client.work(args[1], Path.of(args[2]));
                default -> {
                    System.err.println("usage: Client schedule ORDER DELAY ROUTE JSON | pay ORDER | work ROUTE INBOX");
                    System.exit(2);
                }
            }
        } catch (Refused why) {
            System.out.println(why.getMessage());
            System.exit(1);
        } catch (Unknown why) {
            System.out.println("UNKNOWN");
            System.exit(3);
        }
    }
}
