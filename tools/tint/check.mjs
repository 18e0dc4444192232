// Asks Tint, the compiler of Chrome's WebGPU, whether it takes the WGSL files of a folder. It proves what naga
// does not: that barriers are reached by all threads. No GPU is needed.
//
//   cargo run -p st-kernels --example browser_sources -- FOLDER
//   npm install --prefix tools/tint
//   node tools/tint/check.mjs FOLDER

import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { create } from 'webgpu';

const folder = process.argv[2];
// Kept: all else goes with it.
const gpu = create(['backend=null']);
const adapter = await gpu.requestAdapter();
const device = await adapter.requestDevice({ requiredFeatures: ['subgroups'] });
const files = readdirSync(folder).filter((file) => file.endsWith('.wgsl')).sort();
let refused = 0;
for (const file of files) {
    const code = readFileSync(join(folder, file), 'utf8');
    device.pushErrorScope('validation');
    const { messages } = await device.createShaderModule({ code }).getCompilationInfo();
    await device.popErrorScope();
    const told = messages.filter((message) => message.type !== 'warning');
    if (told.some((message) => message.type === 'error')) {
        refused += 1;
        const lines = code.split('\n');
        for (const { lineNum, message, type } of told) {
            console.log(`${file}:${lineNum}: ${type}: ${message.split('\n')[0]}`);
            console.log(`    ${lines[lineNum - 1]?.trim() ?? ''}`);
        }
    }
}
console.log(`${files.length - refused} of ${files.length} taken`);
process.exit(refused === 0 && files.length > 0 ? 0 : 1);
