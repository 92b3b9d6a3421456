import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.HashMap;
import java.util.Map;

/** The inbox: which idempotency keys were done, and what was answered. A file here, a line each, as Java's library has
 * no database; in a shop it is a table, and the effect is in the same transaction. */
final class Inbox {
    private final Map<String, String> answers = new HashMap<>();
    private final Map<String, long[]> fences = new HashMap<>();
    private final FileChannel file;

    Inbox(Path path) throws IOException {
        String text = Files.exists(path) ? Files.readString(path) : "";
        String whole = text.substring(0, text.lastIndexOf('\n') + 1); // the rest was not on disk: nobody was told
        whole.lines().map(line -> line.split("\t", 3)).forEach(this::remember);
        file = FileChannel.open(path, StandardOpenOption.CREATE, StandardOpenOption.WRITE);
        file.truncate(whole.getBytes(StandardCharsets.UTF_8).length).position(file.size());
    }

    private void remember(String[] line) {
        if (line[0].equals("fence")) {
            fences.put(line[2], fence(line[1]));
        } else {
            answers.put(line[0], line[1]);
        }
    }

    static long[] fence(String text) {
        String[] parts = text.split("\\.", 2);
        return new long[] {Long.parseLong(parts[0]), Long.parseLong(parts[1])};
    }

    /** Lower than one that was seen for the order: it comes from a leader that has been replaced. */
    boolean isOld(String order, String fence) {
        return java.util.Arrays.compare(fence(fence), fences.getOrDefault(order, new long[] {0, 0})) < 0;
    }

    /** What this key was answered before, or null. */
    String before(String key) {
        return answers.get(key);
    }

    /** On disk when it returns. An answer of null: only the fence is kept. */
    void record(String key, String answer, String order, String fence) throws IOException {
        String name = order.replaceAll("\\s", " ");
        String lines = fence == null ? "" : "fence\t" + fence + "\t" + name + "\n";
        lines += answer == null ? "" : key + "\t" + answer + "\t" + name + "\n";
        ByteBuffer bytes = ByteBuffer.wrap(lines.getBytes(StandardCharsets.UTF_8));
        while (bytes.hasRemaining()) {
            file.write(bytes);
        }
        file.force(false);
        lines.lines().map(line -> line.split("\t", 3)).forEach(this::remember);
    }
}
