// Are the ids that count-tokens prints those of npm `tiktoken`, and its counts as many?
//
//   node test/tokens/compare.mjs COUNT_TOKENS REPOSITORY DIR
//
// DIR takes the texts, and DIR/node_modules holds tiktoken. TRAINER_SEED chooses other texts. Ends with the number of comparisons, of
// bytes and of mismatches, of which it shows twenty; fails when there are any, or too little was compared.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const [program, repository, directory] = process.argv.slice(2);
const { get_encoding } = createRequire(resolve(directory, 'x.js'))('tiktoken');
const seed = process.env.TRAINER_SEED ?? '1';
const files = [[join(directory, 'lines'), 10, []], [join(directory, 'zeros'), 0, ['--zero-terminated']]];
const corpus = fileURLToPath(new URL('corpus.mjs', import.meta.url));
const size = Number(execFileSync('node', [corpus, repository, seed, files[0][0], files[1][0]]));

function* texts(bytes, end) {
  for (let at = 0; at < bytes.length; ) {
    const stop = bytes.indexOf(end, at);
    yield bytes.toString('utf8', at, stop);
    at = stop + 1;
  }
}

const answers = (...options) => execFileSync(program, options, { maxBuffer: 1 << 30 }).toString('latin1').split('\n').slice(0, -1);

let mismatches = 0;
function mismatch(encoding, text, what, ours, theirs) {
  if (++mismatches > 20) return;
  console.log(`${encoding}, ${what} of ${JSON.stringify(text.slice(0, 200))}:\n  ${String(ours).slice(0, 200)}\n  ${theirs.slice(0, 200)}`);
}

let count = 0;
for (const name of ['o200k_base', 'cl100k_base']) {
  const encoding = get_encoding(name);
  for (const [path, end, options] of files) {
    const ids = answers('--encoding', name, '--ids', ...options, path);
    const counts = answers('--encoding', name, ...options, path);
    let i = 0;
    for (const text of texts(readFileSync(path), end)) {
      const expected = encoding.encode_ordinary(text);
      const joined = expected.join(' ');
      if (ids[i] !== joined) mismatch(name, text, 'ids', ids[i], joined);
      if (counts[i] !== String(expected.length)) mismatch(name, text, 'count', counts[i], String(expected.length));
      i++;
    }
    if (i !== ids.length || i !== counts.length) throw new Error(`${i} texts, ${ids.length} and ${counts.length} answers`);
    count += i;
  }
  encoding.free();
}
if (!(size > 10e6) || count < 200000) throw new Error('the corpus is too small to say anything');
console.log(`Tokens: ${count} texts of ${(size / 1e6).toFixed(1)} MB as npm tiktoken counts them (TRAINER_SEED=${seed}): ${mismatches} mismatches`);
process.exit(mismatches === 0 ? 0 : 1);
