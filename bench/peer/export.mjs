// The peer: a service on Node that builds a training file with node-postgres. Stays up between rounds, as a service does.
// Each line of its input is {sql, system, file}; it answers "ok" once the file is complete.
//
// Rows are taken one by one as they arrive, which is faster than pages of a cursor and bounded in memory; text leaves in
// pieces of a megabyte.
import fs from 'node:fs';
import readline from 'node:readline';
import pg from 'pg';

const client = new pg.Client();
await client.connect();

function build({ sql, system, file }) {
  return new Promise((resolve, reject) => {
    const out = fs.openSync(file, 'w');
    let block = '';
    const query = client.query(new pg.Query(sql));
    query.on('row', (row) => {
      block += JSON.stringify({
        messages: [
          { role: 'system', content: system },
          { role: 'user', content: `Write a reply to this comment from ${row.platform}: "${row.comment}"` },
          { role: 'assistant', content: row.reply },
        ],
      });
      block += '\n';
      if (block.length > 1 << 20) {
        fs.writeSync(out, block);
        block = '';
      }
    });
    query.on('error', reject);
    query.on('end', () => {
      fs.writeSync(out, block);
      fs.closeSync(out);
      resolve();
    });
  });
}

for await (const line of readline.createInterface({ input: process.stdin })) {
  await build(JSON.parse(line));
  process.stdout.write('ok\n');
}
await client.end();
