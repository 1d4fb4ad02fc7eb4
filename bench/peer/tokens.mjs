// The peer: npm `tiktoken` (WASM) in a process that stays up. Each line of its input is a request; it answers one line of JSON.
//
//   {"file", "end"}     counts the texts of a file that end with this character, read before: {"seconds", "tokens"}, of CPU
//   {"sql"}             a service: fetches the texts with node-postgres and counts them: {"seconds", "tokens"}
//   {"load": true}      loads the encoding anew: {"seconds"}
import { readFileSync } from 'node:fs';
import readline from 'node:readline';
import { get_encoding } from 'tiktoken';

const encoding = get_encoding('o200k_base');
const texts = new Map();
let client;

function textsOf(file, end) {
  if (!texts.has(file)) texts.set(file, readFileSync(file, 'utf8').split(end).filter((text) => text !== ''));
  return texts.get(file);
}

// Nanoseconds that the main thread was on a processor.
const onProcessor = () => Number(readFileSync(`/proc/self/task/${process.pid}/schedstat`, 'latin1').split(' ')[0]);

function count(list) {
  let tokens = 0;
  for (const text of list) tokens += encoding.encode_ordinary(text).length;
  return tokens;
}

async function answer({ file, end, sql, load }) {
  if (load) {
    const start = performance.now();
    const fresh = get_encoding('o200k_base');
    fresh.encode_ordinary('Hello, world!');
    const seconds = (performance.now() - start) / 1000;
    fresh.free();
    return { seconds };
  }
  if (file) {
    const list = textsOf(file, end);
    const start = onProcessor();
    const tokens = count(list);
    return { seconds: (onProcessor() - start) / 1e9, tokens };
  }
  if (!client) {
    const { default: pg } = await import('pg');
    client = new pg.Client();
    await client.connect();
  }
  const start = performance.now();
  const tokens = count((await client.query({ text: sql, rowMode: 'array' })).rows.map((row) => row[0]));
  return { seconds: (performance.now() - start) / 1000, tokens };
}

for await (const line of readline.createInterface({ input: process.stdin })) {
  process.stdout.write(JSON.stringify(await answer(JSON.parse(line))) + '\n');
}
await client?.end();
