<?php
/* client.php - a shop's side of orderschedd over HTTP, with nothing but PHP (8.1 or newer) and its SQLite.
 *
 *     export ORDERSCHED_URLS=http://127.0.0.1:7402,http://127.0.0.1:7412,http://127.0.0.1:7422
 *     php client.php schedule order-1 30m cancel-unpaid '{"sku":7}'
 *     php client.php pay order-1
 *     php client.php work warehouse shop.db        # cancels what is due, until SIGTERM
 *
 * Any node takes any request, so the next one is asked where one does not answer. Exit code 1: refused
 * for good; 3: unknown, the time ran out. ORDERSCHED_TOKEN is sent where it is set. */
declare(strict_types=1);

const PATIENCE_S = 30; // of a call, with all its attempts

/** It did not happen, and no copy of it will: the problem says why, and how the order stands. */
class Refused extends Exception
{
    public function __construct(public readonly array $problem)
    {
        parent::__construct($problem['error'] ?? 'no problem of orderschedd');
    }
}

/** It may have happened or not. Call again with the same arguments, or read the order. */
class Unknown extends Exception
{
}

/**
 * One request, repeated as it is on the next node until it is answered. So give it only what may be
 * repeated: PUT, pay, cancel, settle, reads; all else wants an Idempotency-Key.
 */
function call(string $method, string $path, ?array $body = null, int $timeout_s = 10): array
{
    $urls = explode(',', getenv('ORDERSCHED_URLS') ?: 'http://127.0.0.1:7402');
    $headers = ['Content-Type: application/json'];
    if (getenv('ORDERSCHED_TOKEN')) {
        $headers[] = 'Authorization: Bearer ' . getenv('ORDERSCHED_TOKEN');
    }
    $context = stream_context_create(['http' => [
        'method' => $method,
        'header' => $headers,
        'content' => $body === null ? '' : json_encode($body, JSON_THROW_ON_ERROR | JSON_UNESCAPED_SLASHES),
        'timeout' => $timeout_s,
        'ignore_errors' => true, // 4xx and 5xx have a body, too
    ]]);
    $until = microtime(true) + PATIENCE_S;
    for ($attempt = 0; ; $attempt++) {
        $pause_s = 0.2;
        $http_response_header = [];
        $text = @file_get_contents($urls[$attempt % count($urls)] . $path, false, $context);
        $status = (int) (explode(' ', $http_response_header[0] ?? '')[1] ?? 0);
        $answer = is_string($text) ? json_decode($text, true) : null; // null: no whole answer
        if (is_array($answer) && $status >= 200 && $status < 300) {
            return $answer;
        }
        if (is_array($answer) && $status >= 400 && !in_array($status, [429, 503, 504], true)) {
            throw new Refused($answer);
        }
        foreach ($http_response_header as $line) {
            if (stripos($line, 'retry-after:') === 0) {
                $pause_s = (float) substr($line, 12);
            }
        }
        if (microtime(true) + $pause_s > $until) {
            throw new Unknown();
        }
        usleep((int) ($pause_s * 1e6));
    }
}

function schedule(string $order, string $delay, string $route, mixed $payload): array
{
    $body = ['delay' => $delay, 'route' => $route, 'payload' => $payload];
    return call('PUT', '/v1/orders/' . rawurlencode($order), $body);
}

function pay(string $order): array
{
    return call('POST', '/v1/orders/' . rawurlencode($order) . '/pay');
}

/**
 * The effect and the memory of its key are one transaction, so it happens once, however often the order
 * is given out. Here you would first close the payment at the platform: docs/callbacks.md.
 */
function cancel_once(PDO $db, array $job): array
{
    $db->beginTransaction();
    $insert = $db->prepare('INSERT OR IGNORE INTO inbox VALUES (?)');
    $insert->execute([$job['key']]);
    if ($insert->rowCount() === 1) {
        $db->prepare('INSERT INTO released VALUES (?, ?)')->execute([$job['id'], $job['key']]);
    }
    $db->commit();
    return ['token' => $job['token'], 'outcome' => 'expired'];
}

function work(string $route, string $database): never
{
    $db = new PDO('sqlite:' . $database);
    $db->exec('CREATE TABLE IF NOT EXISTS inbox (key TEXT PRIMARY KEY);
               CREATE TABLE IF NOT EXISTS released (id TEXT NOT NULL, key TEXT NOT NULL)');
    for (;;) {
        try {
            $ask = ['max' => 10, 'wait' => '20s', 'worker' => 'php'];
            $jobs = call('POST', "/v1/routes/$route/reserve", $ask, 25)['jobs'];
            if ($jobs === []) {
                continue;
            }
            $reports = array_map(fn (array $job) => cancel_once($db, $job), $jobs);
            $results = call('POST', "/v1/routes/$route/settle", ['reports' => $reports])['results'];
        } catch (Unknown) {
            continue; // what was reserved comes again, under the same keys
        }
        foreach ($jobs as $i => $job) {
            echo $job['id'], ' ', $results[$i]['error'] === 'OK' ? $results[$i]['state'] : 'comes again', "\n";
        }
    }
}

try {
    switch (($argv[1] ?? '') . ' ' . count($argv)) {
        case 'schedule 6':
            $answer = schedule($argv[2], $argv[3], $argv[4], json_decode($argv[5], false, 512, JSON_THROW_ON_ERROR));
            echo "{$answer['state']} {$answer['remaining_ms']} ms left\n";
            break;
        case 'pay 3':
            echo pay($argv[2])['state'], "\n";
            break;
        case 'work 4':
            work($argv[2], $argv[3]);
        default:
            fwrite(STDERR, "usage: client.php schedule ORDER DELAY ROUTE JSON | pay ORDER | work ROUTE DB\n");
            exit(2);
    }
} catch (Refused $refused) {
    echo $refused->getMessage(), ' the order is ', $refused->problem['order']['state'] ?? 'not known', "\n";
    exit(1);
} catch (Unknown) {
    echo "UNKNOWN\n";
    exit(3);
}
