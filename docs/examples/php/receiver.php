<?php
/* receiver.php - a receiver of orderschedd's callbacks, with nothing but PHP (8.1 or newer) and its SQLite.
 *
 *     mkdir -p payments
 *     SECRET=whsec_... DATABASE=shop.db PAYMENTS=payments php -S 127.0.0.1:7460 receiver.php
 *
 * Verifies signature and timestamp, does each order once by its idempotency key, refuses old fences, closes
 * the payment before it releases the stock, and answers. One order a request: for a route without --batch.
 * (`php -S` takes one request at a time; in production it is a page of your own web server.)
 *
 * The payment platform is a directory, so that you can try this out: a file named like the order says
 * "paid" or "processing"; where there is none the payment is still open. Replace close_payment() by calls to
 * yours, and the INSERT INTO released by your effect. */
declare(strict_types=1);

const TOLERANCE_S = 300; // an older timestamp is a replay

/** Standard Webhooks: v1,base64(HMAC-SHA256(secret, id.timestamp.body)), and not too old. */
function is_genuine(string $id, string $timestamp, string $signatures, string $body): bool
{
    if (!ctype_digit($timestamp) || abs(time() - (int) $timestamp) > TOLERANCE_S) {
        return false;
    }
    foreach (array_filter(explode(' ', getenv('SECRET') ?: '')) as $secret) {
        $key = base64_decode(preg_replace('/^whsec_/', '', $secret));
        $known = 'v1,' . base64_encode(hash_hmac('sha256', "$id.$timestamp.$body", $key, true));
        foreach (explode(' ', $signatures) as $sent) {
            if (hash_equals($known, $sent)) {
                return true;
            }
        }
    }
    return false;
}

/** Query the payment, close it if it is open, and only then answer. May be asked again. */
function close_payment(string $order): array
{
    if (!preg_match('/^[A-Za-z0-9_-][A-Za-z0-9._-]*$/D', $order)) {
        return ['outcome' => 'expired']; // no such payment was ever opened
    }
    $path = (getenv('PAYMENTS') ?: 'payments') . "/$order";
    $file = @fopen($path, 'x'); // whoever comes first, the customer or we
    if ($file !== false && fwrite($file, 'closed') === strlen('closed')) {
        return ['outcome' => 'expired'];
    }
    $state = $file === false ? @file_get_contents($path) : false;
    if ($state === false) { // not "later": that would be asked again for ever, and nobody would hear of it
        answer(500, ['error' => "the payment of $order can be neither closed nor read"]);
    }
    return match (trim($state)) {
        'paid' => ['outcome' => 'paid'],
        'closed' => ['outcome' => 'expired'],
        default => ['outcome' => 'later', 'delay_ms' => 2000], // being processed: nobody can close it now
    };
}

function one(PDO $db, string $sql, array $values): array|false
{
    $statement = $db->prepare($sql);
    $statement->execute($values);
    return $statement->fetch(PDO::FETCH_NUM);
}

/** The answer about one order. Its effect and the memory of it are one transaction. */
function settle(PDO $db, string $key, array $fence, string $order): array
{
    $seen = one($db, 'SELECT epoch, number FROM fences WHERE id = ?', [$order]);
    if ($seen && $fence < array_map('intval', $seen)) {
        return ['outcome' => 'failed', 'reason' => 'a newer fence was seen'];
    }
    $before = one($db, 'SELECT answer FROM inbox WHERE key = ?', [$key]);
    $answer = $before ? json_decode($before[0], true) : close_payment($order);
    $db->exec('BEGIN IMMEDIATE');
    one($db, 'INSERT INTO fences VALUES (?, ?, ?) ON CONFLICT (id) DO UPDATE SET epoch = excluded.epoch,
        number = excluded.number WHERE (excluded.epoch, excluded.number) > (epoch, number)', [$order, ...$fence]);
    if (!$before && in_array($answer['outcome'], ['expired', 'paid'], true)) {
        $insert = $db->prepare('INSERT OR IGNORE INTO inbox VALUES (?, ?)');
        $insert->execute([$key, json_encode($answer)]);
        if ($insert->rowCount() === 1 && $answer['outcome'] === 'expired') {
            one($db, 'INSERT INTO released VALUES (?, ?)', [$order, $key]);
        }
    }
    $db->exec('COMMIT');
    return $answer;
}

function answer(int $status, array $value): never
{
    $text = json_encode($value);
    http_response_code($status);
    header('Content-Type: application/json');
    header('Content-Length: ' . strlen($text));
    echo $text;
    exit;
}

function open_database(): PDO
{
    $db = new PDO('sqlite:' . (getenv('DATABASE') ?: 'shop.db'));
    $db->exec('PRAGMA busy_timeout = 30000; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
        CREATE TABLE IF NOT EXISTS inbox (key TEXT PRIMARY KEY, answer TEXT NOT NULL);
        CREATE TABLE IF NOT EXISTS fences (id TEXT PRIMARY KEY, epoch INTEGER, number INTEGER);
        CREATE TABLE IF NOT EXISTS released (id TEXT NOT NULL, key TEXT NOT NULL)');
    return $db;
}

$id = $_SERVER['HTTP_WEBHOOK_ID'] ?? '';
$fence = $_SERVER['HTTP_ORDERSCHEDD_FENCE'] ?? '';
$body = (string) file_get_contents('php://input');
if ($_SERVER['REQUEST_METHOD'] !== 'POST') {
    answer(405, ['error' => 'POST only']);
}
$timestamp = $_SERVER['HTTP_WEBHOOK_TIMESTAMP'] ?? '';
if (!is_genuine($id, $timestamp, $_SERVER['HTTP_WEBHOOK_SIGNATURE'] ?? '', $body)) {
    answer(401, ['error' => 'not genuine']);
}
$event = json_decode($body, true);
if (($event['type'] ?? '') !== 'order.expired' || !preg_match('/^[0-9]+\.[0-9]+$/D', $fence)) {
    answer(400, ['error' => 'malformed']);
}
$order = $event['data']['order_id'] ?? 'base64:' . $event['data']['order_id_base64'];
$result = settle(open_database(), $id, array_map('intval', explode('.', $fence)), $order);
answer($result['outcome'] === 'failed' ? 409 : 200, $result);
