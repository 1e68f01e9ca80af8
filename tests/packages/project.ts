/**
 * A project as a newcomer has it: an empty folder outside of the repository, into which npm installed
 * the package from its tarball. What runs there runs on the runtime that the test runs on.
 *
 * @module
 */

import { spawnSync } from "node:child_process";
import { mkdir, mkdtemp, readdir, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import process from "node:process";
import { resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { buildPackage } from "../../tools/npm.ts";
import { moduleCommand, TestProcess } from "../support/child_process.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));
const NAME = "@sluice/websocket";
/** On Windows, npm is a script of the shell. */
const shell = process.platform === "win32";

/** Leaves out what npm tells the programs it starts, this test perhaps among them. */
function plainEnvironment(): Record<string, string | undefined> {
  const names = Object.keys(process.env).filter((name) => /^npm_/i.test(name));
  const none = Object.fromEntries(names.map((name) => [name, undefined]));
  return { ...none, NO_COLOR: "1", FORCE_COLOR: undefined };
}

/** Whether there is an npm. */
export const hasNpm: boolean = spawnSync("npm", ["--version"], { shell }).status === 0;

/** What a program printed, and how it ended. */
export interface Outcome {
  status: number;
  stdout: string;
  stderr: string;
}

/** A project that has the package. */
export class Project {
  readonly #base: string;
  /** The names of the files in the tarball. */
  readonly packed: string[];

  private constructor(base: string, packed: string[]) {
    this.#base = base;
    this.packed = packed;
  }

  /** Makes the package, packs it, and installs it without a network. */
  static async create(): Promise<Project> {
    const base = await mkdtemp(`${tmpdir()}/sluice-npm-`);
    await buildPackage(`${base}/package`);
    const folder = `${base}/project`;
    await mkdir(folder);
    await writeFile(`${folder}/package.json`, JSON.stringify({ type: "module" }));
    const npm = async (...args: string[]) => {
      const options = ["--offline", "--no-audit", "--no-fund", "--cache", `${base}/cache`];
      const { status, stdout, stderr } = await run(["npm", ...args, ...options], folder, shell);
      if (status !== 0) throw new Error(`npm ${args[0]} ended with ${status}: ${stdout}${stderr}`);
      return stdout;
    };
    const [{ filename, files }] = JSON.parse(await npm("pack", "--json", "../package"));
    await npm("install", `./${filename}`);
    return new Project(base, files.map(({ path }: { path: string }) => path).sort());
  }

  /** The project's folder. */
  get folder(): string {
    return `${this.#base}/project`;
  }

  /** The folder of the package that was installed. */
  get installed(): string {
    return `${this.folder}/node_modules/${NAME}`;
  }

  /** The files that npm installed, but for its own record. */
  async listInstalled(): Promise<string[]> {
    const entries = await readdir(`${this.folder}/node_modules`, {
      recursive: true,
      withFileTypes: true,
    });
    const { length } = `${this.folder}/node_modules/`;
    return entries.filter((entry) => entry.isFile())
      .map((entry) => `${entry.parentPath}/${entry.name}`.slice(length).replaceAll("\\", "/"))
      .filter((path) => path !== ".package-lock.json").sort();
  }

  /** Writes a file of the project. */
  async write(name: string, text: string): Promise<void> {
    await writeFile(`${this.folder}/${name}`, text);
  }

  /** Runs a module. */
  run(module: string, ...args: string[]): Promise<Outcome> {
    const url = pathToFileURL(resolve(this.folder, module));
    return run([...moduleCommand({ url }), ...args], this.folder);
  }

  /** Checks the types of files of the project; gives what is wrong with them, or `""`. */
  async check(files: string[], compilerOptions: Record<string, unknown>): Promise<string> {
    const options = {
      ...{ target: "esnext", module: "nodenext", strict: true, noEmit: true, skipLibCheck: false },
      ...compilerOptions,
    };
    await this.write("tsconfig.json", JSON.stringify({ compilerOptions: options, files }));
    const { stdout, stderr } = await this.run(`${root}node_modules/typescript/bin/tsc`);
    return stdout + stderr;
  }

  /** Gives the project the types of Node. */
  async addNodeTypes(): Promise<void> {
    await mkdir(`${this.folder}/node_modules/@types`);
    for (const name of ["@types/node", "undici-types"]) {
      await symlink(
        `${root}node_modules/${name}`,
        `${this.folder}/node_modules/${name}`,
        "junction",
      );
    }
  }

  /** Gives the project the packages that brokers need. */
  async addBrokerPackages(): Promise<void> {
    for (const name of ["redis", "@nats-io"]) {
      await symlink(
        `${root}node_modules/${name}`,
        `${this.folder}/node_modules/${name}`,
        "junction",
      );
    }
  }

  /** Removes it. */
  async remove(): Promise<void> {
    await rm(this.#base, { recursive: true });
  }
}

async function run(command: string[], cwd: string, shell = false): Promise<Outcome> {
  const program = new TestProcess({ command, cwd, env: plainEnvironment(), shell });
  await program.ended;
  return { status: program.status ?? -1, stdout: program.printed, stderr: program.errors };
}
