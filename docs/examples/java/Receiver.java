import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.util.Base64;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;

/** A receiver of orderschedd's callbacks, with the JDK alone (17 or newer).
 *
 * <pre>javac -d classes *.java; SECRET=whsec_... java -cp classes Receiver 7460 shop.inbox payments/</pre>
 *
 * Verifies signature and timestamp, does each order once by its idempotency key, refuses old fences, closes the payment
 * before it releases the stock, and answers. One order a request: for a route without --batch. The payment platform
 * is a directory, so that you can try this out: a file named like the order says "paid" or "processing"; where there
 * is none the payment is still open. Replace closePayment() by calls to yours, and the inbox by your database. */
public final class Receiver {
    private static final int TOLERANCE_S = 300; // an older timestamp is a replay
    private static final int BODY_MAX = 1024 * 1024;
    private final Inbox inbox;
    private final Path payments;
    private final String[] secrets = System.getenv().getOrDefault("SECRET", "").split(" ");

    Receiver(Path inbox, Path payments) throws IOException {
        this.inbox = new Inbox(inbox);
        this.payments = payments;
    }

    /** Standard Webhooks: v1,base64(HMAC-SHA256(secret, id.timestamp.body)), and not too old. */
    private boolean isGenuine(String id, String timestamp, String signatures, byte[] body)
            throws GeneralSecurityException {
        if (!timestamp.matches("[0-9]{1,12}")
                || Math.abs(System.currentTimeMillis() / 1000 - Long.parseLong(timestamp)) > TOLERANCE_S) {
            return false;
        }
        for (String secret : secrets) {
            Mac mac = Mac.getInstance("HmacSHA256");
            mac.init(new SecretKeySpec(Base64.getDecoder().decode(secret.replaceFirst("^whsec_", "")), "HmacSHA256"));
            mac.update((id + "." + timestamp + ".").getBytes(StandardCharsets.UTF_8));
            String known = "v1," + Base64.getEncoder().encodeToString(mac.doFinal(body));
            for (String sent : signatures.split(" ")) {
                if (MessageDigest.isEqual(known.getBytes(), sent.getBytes())) {
                    return true;
                }
            }
        }
        return false;
    }

    /** Query the payment, close it if it is open, and only then answer. May be asked again. */
    private String closePayment(String order) throws IOException {
        if (!order.matches("[A-Za-z0-9_-][A-Za-z0-9._-]*")) {
            return "expired"; // no such payment was ever opened
        }
        Path path = payments.resolve(order);
        try { // whoever comes first, the customer or we
            Files.writeString(path, "closed", StandardOpenOption.CREATE_NEW);
            return "expired";
        } catch (FileAlreadyExistsException there) {
            String state = Files.readString(path).strip();
            return state.equals("paid") ? "paid" : state.equals("closed") ? "expired" : "later";
        }
    }

    /** The answer about one order; one at a time. */
    private synchronized String settle(String key, String fence, String order) throws IOException {
        if (inbox.isOld(order, fence)) {
            return "failed";
        }
        String before = inbox.before(key);
        String outcome = before != null ? before : closePayment(order);
        // Here the stock is released if the outcome is new and "expired": in one transaction with the key.
        inbox.record(key, before != null || outcome.equals("later") ? null : outcome, order, fence);
        return outcome;
    }

    private static String header(HttpExchange exchange, String name) {
        String value = exchange.getRequestHeaders().getFirst(name);
        return value != null ? value : "";
    }

    private void answer(HttpExchange exchange, int status, String body) throws IOException {
        byte[] bytes = body.getBytes(StandardCharsets.UTF_8);
        exchange.getResponseHeaders().set("Content-Type", "application/json");
        exchange.sendResponseHeaders(status, bytes.length);
        exchange.getResponseBody().write(bytes);
    }

    private void answerTo(HttpExchange exchange) throws IOException, GeneralSecurityException {
        byte[] body = exchange.getRequestBody().readNBytes(BODY_MAX);
        String id = header(exchange, "webhook-id");
        String fence = header(exchange, "orderschedd-fence");
        if (!isGenuine(id, header(exchange, "webhook-timestamp"), header(exchange, "webhook-signature"), body)) {
            answer(exchange, 401, "{\"error\":\"not genuine\"}");
            return;
        }
        Object event = Json.read(new String(body, StandardCharsets.UTF_8));
        if (!"order.expired".equals(Json.get(event, "type")) || !fence.matches("[0-9]{1,18}\\.[0-9]{1,18}")) {
            throw new IllegalArgumentException("not an event");
        }
        Object order = Json.get(event, "data", "order_id");
        String name = order != null ? (String) order : "base64:" + Json.get(event, "data", "order_id_base64");
        String outcome = settle(id, fence, name);
        String more = outcome.equals("later") ? ",\"delay_ms\":2000"
                : outcome.equals("failed") ? ",\"reason\":\"a newer fence was seen\"" : "";
        answer(exchange, outcome.equals("failed") ? 409 : 200, "{\"outcome\":\"" + outcome + "\"" + more + "}");
    }

    private void receive(HttpExchange exchange) throws IOException {
        try {
            answerTo(exchange);
        } catch (IllegalArgumentException | ClassCastException why) {
            answer(exchange, 400, "{\"error\":\"malformed\"}");
        } catch (IOException | GeneralSecurityException why) {
            System.err.println(why); // no answer: it comes again
        } finally {
            exchange.close();
        }
    }

    public static void main(String[] args) throws IOException {
        Receiver receiver = new Receiver(Path.of(args[1]), Path.of(args[2]));
        HttpServer server = HttpServer.create(new InetSocketAddress("127.0.0.1", Integer.parseInt(args[0])), 128);
        server.createContext("/", receiver::receive);
        server.start();
    }
}
