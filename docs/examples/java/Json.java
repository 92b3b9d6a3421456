import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** JSON, which Java's own library lacks: read into Map, List, String, Double, Boolean and null. A shop that has a
 * library for it (Jackson, Gson) takes that. */
final class Json {
    private final String text;
    private int at;

    private Json(String text) {
        this.text = text;
    }

    /** IllegalArgumentException: it is not JSON. */
    static Object read(String text) {
        Json json = new Json(text);
        try {
            Object value = json.value();
            if (json.peek() != 0) {
                throw new IllegalArgumentException("more at " + json.at);
            }
            return value;
        } catch (IndexOutOfBoundsException why) {
            throw new IllegalArgumentException("it ends too early");
        }
    }

    /** A member of an object, down a path of names; null where there is none. */
    static Object get(Object object, String... path) {
        for (String name : path) {
            object = object instanceof Map<?, ?> map ? map.get(name) : null;
        }
        return object;
    }

    /** A string as JSON. */
    static String quote(String s) {
        StringBuilder out = new StringBuilder("\"");
        for (char c : s.toCharArray()) {
            out.append(c == '"' || c == '\\' ? "\\" + c : c < 0x20 ? String.format("\\u%04x", (int) c) : "" + c);
        }
        return out.append('"').toString();
    }

    private char peek() {
        while (at < text.length() && " \t\r\n".indexOf(text.charAt(at)) >= 0) {
            at++;
        }
        return at < text.length() ? text.charAt(at) : 0;
    }

    private boolean take(String token) {
        peek();
        boolean is = text.startsWith(token, at);
        at += is ? token.length() : 0;
        return is;
    }

    private void want(String token) {
        if (!take(token)) {
            throw new IllegalArgumentException("no " + token + " at " + at);
        }
    }

    private Object value() {
        if (take("{")) {
            Map<String, Object> map = new LinkedHashMap<>();
            for (boolean first = true; !take("}"); first = false) {
                if (!first) {
                    want(",");
                }
                peek();
                String name = string();
                want(":");
                map.put(name, value());
            }
            return map;
        }
        if (take("[")) {
            List<Object> list = new ArrayList<>();
            while (!take("]")) {
                if (!list.isEmpty()) {
                    want(",");
                }
                list.add(value());
            }
            return list;
        }
        if (peek() == '"') {
            return string();
        }
        if (take("true")) {
            return true;
        }
        if (take("false")) {
            return false;
        }
        if (take("null")) {
            return null;
        }
        int start = at;
        while (at < text.length() && "+-.eE0123456789".indexOf(text.charAt(at)) >= 0) {
            at++;
        }
        return Double.valueOf(text.substring(start, at)); // NumberFormatException: not a value at all
    }

    private String string() {
        StringBuilder out = new StringBuilder();
        want("\"");
        for (char c; (c = text.charAt(at++)) != '"';) {
            if (c != '\\') {
                out.append(c);
                continue;
            }
            c = text.charAt(at++);
            if (c == 'u') {
                out.append((char) Integer.parseInt(text.substring(at, at + 4), 16));
                at += 4;
            } else {
                int known = "bfnrt".indexOf(c);
                out.append(known >= 0 ? "\b\f\n\r\t".charAt(known) : c);
            }
        }
        return out.toString();
    }
}
